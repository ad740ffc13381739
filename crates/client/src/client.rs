use std::time::{Duration, Instant};

use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use tercet_ids::{PartyId, PlanDigest, Roles, SessionId};
use tercet_plan::{Array, Parameters, Plan};
use tercet_wire::{CONTROL_MESSAGE_BYTES_MAX, ClientReply, ClientRequest, Model, ModelName, Report, Status};

use crate::deployment::seal_model;
use crate::description::Description;
use crate::error::ClientError;
use crate::limits::{DEPLOY_TIME_MAX, DESCRIPTION_BYTES_MAX, LATE_TIME_MAX, REPLY_TIME_MAX};
use crate::link::Link;
use crate::query::{Pending, seal_query};
use crate::settings::ClientSettings;

/// A client of one deployment. Requests may run side by side.
///
/// It has to be made within a tokio runtime. If the connection is lost between two requests, the next one dials again.
pub struct Client {
    link: Link,
}

/// What a query gave and cost.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The outputs, in the model's order.
    pub outputs: Vec<Array>,
    /// The session that computed them.
    pub session: SessionId,
    /// Who dealt and who evaluated.
    pub roles: Roles,
    /// What it cost, as the parties and the coordinator say.
    pub report: Report,
    /// The first bytes of what each party got of the input; the client made them, and nobody else has all three.
    pub seen: Vec<(PartyId, Vec<u8>)>,
}

impl Client {
    /// Connects to the coordinator.
    ///
    /// # Errors
    /// It can't be reached, or is not who it should be, or does not know this client.
    pub async fn connect(settings: ClientSettings) -> Result<Client, ClientError> {
        let link = Link::connect(settings).await?;
        Ok(Client { link })
    }

    /// The models that can be asked.
    ///
    /// # Errors
    /// The coordinator is lost or late.
    pub async fn models(&self) -> Result<Vec<Model>, ClientError> {
        match self.ask(ClientRequest::ListModels, CONTROL_MESSAGE_BYTES_MAX).await? {
            ClientReply::Models(models) => Ok(models),
            _ => Err(ClientError::OtherReply),
        }
    }

    /// How the deployment is.
    ///
    /// # Errors
    /// The coordinator is lost or late.
    pub async fn status(&self) -> Result<Status, ClientError> {
        match self.ask(ClientRequest::Status, CONTROL_MESSAGE_BYTES_MAX).await? {
            ClientReply::Status(status) => Ok(status),
            _ => Err(ClientError::OtherReply),
        }
    }

    /// What has to be known of a model before it can be asked.
    ///
    /// # Errors
    /// There is no such model, or its plan is broken, falsely described or not the pinned one.
    pub async fn describe(&self, name: &str) -> Result<Description, ClientError> {
        let model: ModelName = name.parse()?;
        let pinned = self.link.settings().pinned.get(name).copied();
        let request = ClientRequest::Describe { model: model.clone() };
        match self.ask(request, DESCRIPTION_BYTES_MAX).await? {
            ClientReply::Described(described) => Description::check(&model, pinned, &described),
            _ => Err(ClientError::OtherReply),
        }
    }

    /// Shares a model with the three parties, which serve it under `name` from now on, in place of an older one.
    ///
    /// # Errors
    /// This client may not deploy, or a party can't take the model; then all serve what they served before.
    pub async fn deploy(&self, name: &str, plan: &Plan, parameters: &Parameters) -> Result<PlanDigest, ClientError> {
        let name: ModelName = name.parse()?;
        let keys = self.link.settings().sealing_keys;
        let request = || {
            let deploy = seal_model(&name, plan, parameters, &keys, &mut UnwrapErr(SysRng))?;
            Ok(ClientRequest::Deploy(deploy))
        };
        let reply = self
            .link
            .ask(request, CONTROL_MESSAGE_BYTES_MAX, DEPLOY_TIME_MAX)
            .await?;
        match reply {
            ClientReply::Deployed(model) if model.name == name && model.digest == plan.digest() => Ok(model.digest),
            _ => Err(ClientError::OtherReply),
        }
    }

    /// Asks a model about one batch.
    ///
    /// # Errors
    /// The arrays don't fit the model (nothing has left the client then), or why there is no answer by the deadline.
    pub async fn infer(
        &self,
        model: &Description,
        arrays: &[Array],
        deadline: Duration,
    ) -> Result<Answer, ClientError> {
        let begun = Instant::now();
        let encoded = model.plan().encode(arrays)?;
        let (batch, most) = (encoded.batch, model.batch_max());
        if batch > most {
            return Err(ClientError::Batch { batch, most });
        }
        let keys = self.link.settings().sealing_keys;
        let mut pending: Option<Pending> = None;
        let request = || {
            let mut sealed = seal_query(model, &encoded, &keys, &mut UnwrapErr(SysRng))?;
            let left = deadline.saturating_sub(begun.elapsed());
            sealed.infer.deadline_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
            pending = Some(sealed.pending);
            Ok(ClientRequest::Infer(sealed.infer))
        };
        let reply = self
            .link
            .ask(request, answer_bytes_max(model, batch), deadline + LATE_TIME_MAX);
        let answer = match reply.await? {
            ClientReply::Answer(answer) => answer,
            _ => return Err(ClientError::OtherReply),
        };
        let pending = pending.ok_or(ClientError::OtherReply)?;
        let revealed = pending.reveal(model, batch, answer.roles, &answer.results)?;
        Ok(Answer {
            outputs: model.plan().decode(batch, &revealed)?,
            session: answer.session,
            roles: answer.roles,
            report: answer.report,
            seen: PartyId::ALL.into_iter().zip(pending.seen).collect(),
        })
    }

    async fn ask(&self, request: ClientRequest, reply_bytes_max: usize) -> Result<ClientReply, ClientError> {
        let again = || Ok(request.clone());
        self.link.ask(again, reply_bytes_max, REPLY_TIME_MAX).await
    }
}

/// Bytes of an answer: what the plan reveals, three times, and what stands around it.
fn answer_bytes_max(model: &Description, batch: u32) -> usize {
    let revealed = usize::try_from(model.plan().cost(batch).revealed).unwrap_or(usize::MAX / 8);
    3 * revealed + CONTROL_MESSAGE_BYTES_MAX
}
