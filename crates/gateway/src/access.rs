use std::net::SocketAddr;

use sha2::{Digest, Sha256};
use tercet_config::{CallerEntry, TokenDigestBytes};

use crate::error::GatewayError;

/// Who may ask for what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Access {
    /// Everybody who reaches the address, which has to be one of this machine alone.
    Loopback,
    /// Those who bring a token.
    Tokens(Vec<CallerEntry>),
}

impl Access {
    /// Whether it may guard `address`.
    pub fn suits(&self, address: SocketAddr) -> bool {
        matches!(self, Access::Tokens(_)) || address.ip().is_loopback()
    }

    /// Whether a request with this `Authorization` header may ask about `model`, or about nothing in particular.
    ///
    /// # Errors
    /// It has no token, or none that is known; or its token is not for this model.
    pub(crate) fn check(&self, authorization: Option<&str>, model: Option<&str>) -> Result<(), GatewayError> {
        let Access::Tokens(callers) = self else {
            return Ok(());
        };
        let token = authorization.and_then(|header| {
            let (scheme, token) = header.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        // Digests are compared: how long that takes tells nothing about a token.
        let digest = digest_of(token.ok_or(GatewayError::Unauthenticated)?);
        let caller = callers.iter().find(|caller| caller.token_sha256 == digest);
        let caller = caller.ok_or(GatewayError::Unauthenticated)?;
        match (&caller.models, model) {
            (Some(models), Some(model)) if !models.iter().any(|allowed| allowed == model) => {
                Err(GatewayError::Forbidden(model.chars().take(64).collect()))
            }
            _ => Ok(()),
        }
    }
}

fn digest_of(token: &str) -> TokenDigestBytes {
    TokenDigestBytes(Sha256::digest(token.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let caller = |name: &str, models: Option<&[&str]>| CallerEntry {
            name: name.to_owned(),
            token_sha256: digest_of(&format!("{name}-token")),
            models: models.map(|models| models.iter().map(|model| (*model).to_owned()).collect()),
        };
        Access::Tokens(vec![caller("desk", None), caller("ward", Some(&["triage"]))])
    }

    #[test]
    fn a_token_opens_the_models_it_is_for() {
        let check = |header, model| access().check(header, model);
        assert_eq!(check(Some("Bearer desk-token"), Some("anything")), Ok(()));
        assert_eq!(check(Some("bearer ward-token "), Some("triage")), Ok(()));
        assert_eq!(check(Some("Bearer ward-token"), None), Ok(()));
        let forbidden = GatewayError::Forbidden("loans".to_owned());
        assert_eq!(check(Some("Bearer ward-token"), Some("loans")), Err(forbidden));
    }

    #[test]
    fn no_token_or_an_unknown_one_opens_nothing() {
        for header in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer other"),
            Some("Basic desk-token"),
            Some("Bearer desk-token2"),
        ] {
            assert_eq!(
                access().check(header, None),
                Err(GatewayError::Unauthenticated),
                "{header:?}"
            );
        }
    }

    #[test]
    fn without_tokens_only_this_machine_is_served() {
        assert!(Access::Loopback.suits("127.0.0.1:8000".parse().expect("an address")));
        assert!(!Access::Loopback.suits("0.0.0.0:8000".parse().expect("an address")));
        assert!(access().suits("0.0.0.0:8000".parse().expect("an address")));
        assert_eq!(Access::Loopback.check(None, Some("any")), Ok(()));
    }
}
