//! Who can reach the API.

use super::Check;
use crate::Problem;

impl Check<'_> {
    /// Beyond this host, nobody is let in without a token, and no token is shown to the network.
    pub(super) fn api(&mut self) {
        let api = &self.config.api;
        let Some(address) = api.listen else {
            return;
        };
        if address.ip().is_loopback() {
            return;
        }
        if api.tokens.is_none() {
            self.mistake("api.listen", Problem::ApiWithoutTokens { address });
        }
        if api.tls.is_none() && !api.plaintext {
            self.mistake("api.listen", Problem::ApiWithoutTls { address });
        }
    }
}
