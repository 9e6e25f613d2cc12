//! Who may use the API: tokens are handed out and taken back.

use super::Office;
use crate::control::Reply;
use crate::fact::{Fact, Token};
use crate::web;

impl Office {
    pub(super) async fn add_token(self, token: Token) -> Reply {
        web::check_scopes(token.scopes.iter().map(|scope| &**scope))?;
        let config = self.ground.in_force.newest();
        if let Some(user) = &token.user
            && config.extension_by_number(user).is_none()
        {
            let numbers: Vec<_> = config.extensions().map(|(_, extension)| &*extension.number).collect();
            return Err(format!("there is no extension {user:?}; there is {}", numbers.join(", ")));
        }
        let known = self.clerk.read(|reader| reader.tokens()).await.map_err(|error| error.to_string())?;
        if known.iter().any(|other| other.name == token.name) {
            return Err(format!("there is a token {:?} already; revoke it first, or choose another name", token.name));
        }
        let id = token.id.clone();
        self.clerk.write_down(Fact::Token(Box::new(token))).await.map_err(|why| why.to_string())?;
        self.tokens.forget();
        Ok(serde_json::json!({ "id": id }))
    }

    pub(super) async fn revoke_token(self, which: &str) -> Reply {
        let known = self.clerk.read(|reader| reader.tokens()).await.map_err(|error| error.to_string())?;
        let found = known.iter().find(|token| *token.id == *which || *token.name == *which);
        let Some(token) = found else {
            return Err(format!("there is no token {which:?}; `huntline token list` lists them"));
        };
        let fact = Fact::TokenRevoked { id: token.id.clone() };
        self.clerk.write_down(fact).await.map_err(|why| why.to_string())?;
        self.tokens.forget();
        Ok(serde_json::json!({ "id": token.id, "name": token.name }))
    }
}
