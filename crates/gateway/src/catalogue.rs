use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tercet_client::{Client, ClientError, Description};

use crate::limits::{DESCRIPTION_TIME_MAX, DESCRIPTIONS_MAX};

/// What is known of the models, each for a while.
#[derive(Default)]
pub(crate) struct Catalogue {
    known: Mutex<HashMap<String, (Instant, Arc<Description>)>>,
}

impl Catalogue {
    /// The model as it is now, or was a moment ago.
    ///
    /// # Errors
    /// There is no such model, or its description can't be had or trusted.
    pub(crate) async fn model(&self, client: &Client, name: &str) -> Result<Arc<Description>, ClientError> {
        match self.fresh(name, Instant::now()) {
            Some(description) => Ok(description),
            None => self.describe(client, name).await,
        }
    }

    /// The model as it is now: after a refusal that may come from its having been replaced.
    ///
    /// # Errors
    /// As [`Catalogue::model`].
    pub(crate) async fn describe(&self, client: &Client, name: &str) -> Result<Arc<Description>, ClientError> {
        let described = client.describe(name).await.map(Arc::new);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &described {
            Ok(description) if known.len() < DESCRIPTIONS_MAX || known.contains_key(name) => {
                known.insert(name.to_owned(), (Instant::now(), description.clone()));
            }
            _ => {
                known.remove(name);
            }
        }
        described
    }

    fn fresh(&self, name: &str, now: Instant) -> Option<Arc<Description>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, description) = known.get(name)?;
        (now.duration_since(*since) < DESCRIPTION_TIME_MAX).then(|| description.clone())
    }
}
