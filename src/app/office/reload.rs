//! The config file is read again, or an older version of it put back.

use std::sync::Arc;

use super::Office;
use crate::config::{Loaded, Problems, Severity};
use crate::config_file::{self, Change};
use crate::control::Reply;
use crate::fact::Fact;
use crate::servers::ServerName;
use crate::switch::Input;

impl Office {
    /// Reads the config file again; a sound one takes effect at once, a broken one changes nothing.
    pub(crate) async fn reload(self) -> Reply {
        let notify = self.notify.clone();
        notify.reloading();
        let reply = self.read_again().await;
        match &reply {
            Ok(_) => notify.ready("a new config is in force"),
            Err(_) => notify.ready("a new config was refused, the old one is in force"),
        }
        reply
    }

    async fn read_again(self) -> Reply {
        let (file, ground) = (self.file.clone(), self.ground.clone());
        let loaded = tokio::task::spawn_blocking(move || {
            let (loaded, text) = config_file::read(&file)?;
            ground.keep_version(&text, "reload");
            Ok::<_, Problems>(loaded)
        });
        let loaded = loaded.await;
        match loaded.map_err(|error| error.to_string())? {
            Ok(Loaded { config, warnings }) => {
                let config = Arc::new(config);
                let restart = self.fixed.differs_in(&config);
                self.library.speak(config.site.language);
                let names = ServerName::all(&config);
                self.resolver.keep_only(move |name| names.contains(name));
                self.ground.in_force.replace(config.clone());
                self.ground.post.input(Input::Configure(config.clone()));
                // A receiver may have moved, or be there again.
                self.bell.ring_afresh();
                for what in &restart {
                    tracing::warn!(what, "takes effect after a restart");
                }
                Ok(serde_json::json!({
                    "version": config.version,
                    "warnings": warnings.to_string(),
                    "after_restart": restart,
                }))
            }
            Err(why) => {
                let first = why.iter().find(|problem| problem.severity == Severity::Error);
                let (errors, first) = (why.errors(), first.map(ToString::to_string).unwrap_or_default());
                self.ground.post.input(Input::Note(Fact::ConfigRejected { errors, first }));
                Err(format!("the config is refused, the old one stays\n{why}"))
            }
        }
    }

    /// Puts an older version in the place of the config file, and into effect.
    pub(super) async fn roll_back(self, number: u32) -> Reply {
        let change =
            Change { versions: self.ground.versions.clone(), by: String::new(), at: self.ground.clock.now().wall };
        let file = self.file.clone();
        let replaced = tokio::task::spawn_blocking(move || config_file::roll_back(&file, number, None, &change)).await;
        replaced.map_err(|error| error.to_string())?.map_err(|why| why.to_string())?;
        self.reload().await
    }
}
