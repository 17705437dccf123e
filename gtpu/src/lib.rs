//! GTP-U (TS 29.281, TS 38.415): header views and signalling messages. No I/O.
