use std::time::{Duration, Instant};

use tercet_client::{Cause, Client, ClientError, ClientSettings, Description};
use tercet_ids::PartyId;
use tercet_open_inference::{InferRequest, InferResponse, ModelMetadata, ModelState, RepositoryEntry};
use tercet_wire::{Model, ModelName};
use tokio::sync::OnceCell;

use crate::access::Access;
use crate::catalogue::Catalogue;
use crate::conversion::{arrays, check_version, metadata, request_bytes_max, response, version};
use crate::error::GatewayError;

/// What both ways to ask have in common.
pub(crate) struct Service {
    settings: ClientSettings,
    /// Connected at the first request: the gateway may start before the coordinator does.
    client: OnceCell<Client>,
    catalogue: Catalogue,
    pub access: Access,
    deadline: Duration,
}

impl Service {
    pub(crate) fn new(settings: ClientSettings, access: Access, deadline: Duration) -> Service {
        Service {
            settings,
            client: OnceCell::new(),
            catalogue: Catalogue::default(),
            access,
            deadline,
        }
    }

    async fn client(&self) -> Result<&Client, ClientError> {
        self.client
            .get_or_try_init(|| Client::connect(self.settings.clone()))
            .await
    }

    /// Whether the parties could answer now.
    ///
    /// # Errors
    /// Why not.
    pub(crate) async fn ready(&self) -> Result<(), GatewayError> {
        let status = self.client().await?.status().await?;
        let missing = PartyId::ALL
            .into_iter()
            .find(|party| status.nodes[party.index()].state.is_none());
        match missing {
            Some(party) => Err(GatewayError::PartyMissing(party)),
            None => Ok(()),
        }
    }

    /// The models there are.
    pub(crate) async fn models(&self) -> Result<Vec<Model>, GatewayError> {
        Ok(self.client().await?.models().await?)
    }

    /// The models with their states.
    pub(crate) async fn index(&self) -> Result<Vec<RepositoryEntry>, GatewayError> {
        let client = self.client().await?;
        let mut entries = Vec::new();
        for model in client.models().await? {
            let name = model.name.to_string();
            entries.push(match self.catalogue.model(client, &name).await {
                Ok(description) => RepositoryEntry {
                    version: version(&description),
                    name,
                    state: ModelState::Ready,
                    reason: String::new(),
                },
                Err(error) => RepositoryEntry {
                    name,
                    version: String::new(),
                    state: ModelState::Unavailable,
                    reason: error.to_string(),
                },
            });
        }
        Ok(entries)
    }

    /// What a model takes and gives.
    pub(crate) async fn metadata(&self, name: &str, asked: Option<&str>) -> Result<ModelMetadata, GatewayError> {
        let model = self.model(name, asked).await?;
        Ok(metadata(&model))
    }

    /// Bytes of the largest request about a model.
    pub(crate) async fn request_bytes_max(&self, name: &str, asked: Option<&str>) -> Result<usize, GatewayError> {
        let model = self.model(name, asked).await?;
        Ok(request_bytes_max(&model))
    }

    async fn model(&self, name: &str, asked: Option<&str>) -> Result<std::sync::Arc<Description>, GatewayError> {
        if name.parse::<ModelName>().is_err() {
            return Err(unknown_model(name));
        }
        let model = self.catalogue.model(self.client().await?, name).await;
        let model = model.map_err(|error| no_model(name, error))?;
        check_version(&model, asked)?;
        Ok(model)
    }

    /// Shares the inputs, asks the parties, and opens the answer.
    ///
    /// A model that was replaced since it was described is described anew, and asked once more: the refusal comes before anything is computed.
    pub(crate) async fn infer(
        &self,
        name: &str,
        asked: Option<&str>,
        request: &mut InferRequest,
    ) -> Result<InferResponse, GatewayError> {
        let begun = Instant::now();
        let time = request
            .options
            .timeout
            .map_or(self.deadline, |time| time.min(self.deadline));
        let model = self.model(name, asked).await?;
        let inputs = arrays(&model, request)?;
        let client = self.client().await?;
        let answered = client.infer(&model, &inputs, time).await;
        let was_replaced = matches!(&answered, Err(error) if error.cause() == Cause::Configuration);
        let (model, answered) = if was_replaced {
            let model = self
                .catalogue
                .describe(client, name)
                .await
                .map_err(|error| no_model(name, error))?;
            check_version(&model, asked)?;
            let left = time.saturating_sub(begun.elapsed());
            let answered = client.infer(&model, &inputs, left).await;
            (model, answered)
        } else {
            (model, answered)
        };
        Ok(response(&model, request, answered?))
    }
}

fn unknown_model(name: &str) -> GatewayError {
    GatewayError::UnknownModel(name.chars().take(64).collect())
}

/// A description that there is none of means that there is no such model.
fn no_model(name: &str, error: ClientError) -> GatewayError {
    match error.cause() {
        Cause::Request => unknown_model(name),
        _ => GatewayError::Client(error),
    }
}
