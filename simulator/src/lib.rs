//! SMF, gNB, UE and data network, for demonstrations and tests.
