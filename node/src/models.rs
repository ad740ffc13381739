//! `Models`: what this node serves, in memory and on disk.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, ResponseActFuture, WrapFuture};
use tercet_ids::{PlanDigest, QueryId};
use tercet_telemetry::NodeMetrics;
use tercet_wire::{Failure, MODELS_MAX, Model, ModelName, Offer};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::limits::{MAILBOX_MAX, STAGED_MAX};
use crate::messages::{ActivateModel, DiscardModel, FindModel, ListModels, LoadModel};
use crate::parameters::{ModelError, ModelOpener, ServedModel};
use crate::storage::{Storage, StorageError};

/// Owns the models: those served, and those loaded and held back until all three parties have loaded them.
///
/// Opening, reading and writing them is done on blocking threads, one model at a time.
pub struct Models {
    opener: Arc<ModelOpener>,
    storage: Storage,
    /// Models are large: one is opened at a time.
    opening: Arc<Semaphore>,
    served: BTreeMap<ModelName, Arc<ServedModel>>,
    staged: VecDeque<Arc<ServedModel>>,
    /// Stored models that are still to be read.
    to_read: VecDeque<PathBuf>,
    all_read: bool,
    metrics: NodeMetrics,
}

impl Models {
    /// Serves what `storage` holds, as soon as it is read.
    ///
    /// # Errors
    /// The directory can't be read.
    pub fn new(opener: ModelOpener, storage: Storage, metrics: NodeMetrics) -> Result<Models, StorageError> {
        Ok(Models {
            to_read: storage.stored()?.into(),
            opener: Arc::new(opener),
            storage,
            opening: Arc::new(Semaphore::new(1)),
            served: BTreeMap::new(),
            staged: VecDeque::new(),
            all_read: false,
            metrics,
        })
    }

    fn read_next(&mut self, context: &mut Context<Self>) {
        let Some(path) = self.to_read.pop_front() else {
            self.all_read = true;
            tracing::info!(models = self.served.len(), "stored models are loaded");
            return;
        };
        let opener = self.opener.clone();
        let reading = async move {
            let read = spawn_blocking(move || {
                let load = Storage::read(&path).map_err(|error| error.to_string())?;
                opener
                    .open(&load)
                    .map_err(|error| format!("{}: {error}", path.display()))
            });
            read.await
                .unwrap_or_else(|_| Err("reading it met a defect of the program".to_owned()))
        };
        context.spawn(reading.into_actor(self).map(|read, models, context| {
            match read {
                Ok(model) => models.serve(Arc::new(model)),
                // The other models are served all the same; queries for this one name this party.
                Err(error) => tracing::error!(error, "a stored model can't be served"),
            }
            models.read_next(context);
        }));
    }

    fn serve(&mut self, model: Arc<ServedModel>) {
        self.metrics.models.deployed(model.model.name.as_str(), model.facts());
        tracing::info!(model = %model.model.name, digest = model.model.digest.short(), "serving");
        self.served.insert(model.model.name.clone(), model);
    }

    /// Removes the oldest deployments that were never activated.
    fn make_room(&mut self) {
        while self.staged.len() > STAGED_MAX
            && let Some(oldest) = self.staged.pop_front()
        {
            self.forget(oldest.model.deployment);
        }
    }

    fn forget(&self, deployment: QueryId) {
        let storage = self.storage.clone();
        // The next start removes what can't be removed now.
        spawn_blocking(move || storage.discard(deployment));
    }
}

impl Actor for Models {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(MAILBOX_MAX);
        self.read_next(context);
    }
}

impl Handler<FindModel> for Models {
    type Result = Option<Arc<ServedModel>>;

    fn handle(&mut self, FindModel(name): FindModel, _: &mut Context<Self>) -> Self::Result {
        self.served.get(&name).cloned()
    }
}

impl Handler<ListModels> for Models {
    type Result = MessageResult<ListModels>;

    fn handle(&mut self, _: ListModels, _: &mut Context<Self>) -> Self::Result {
        let offer = |served: &Arc<ServedModel>| Offer {
            model: served.model.clone(),
            batch_max: served.batch_max,
        };
        MessageResult((self.served.values().map(offer).collect(), self.all_read))
    }
}

impl Handler<LoadModel> for Models {
    type Result = ResponseActFuture<Self, Result<PlanDigest, Failure>>;

    fn handle(&mut self, LoadModel(load): LoadModel, _: &mut Context<Self>) -> Self::Result {
        let me = self.opener.me;
        let full = self.served.len() >= MODELS_MAX && !self.served.contains_key(&load.name);
        let (opener, storage, opening) = (self.opener.clone(), self.storage.clone(), self.opening.clone());
        let loading = async move {
            if full {
                return Err(ModelError::TooMany {
                    party: me,
                    most: MODELS_MAX,
                });
            }
            let _turn = opening.acquire().await;
            let loaded = spawn_blocking(move || {
                let model = opener.open(&load)?;
                storage.stage(&load)?;
                Ok(model)
            });
            loaded.await.unwrap_or(Err(ModelError::Defect(me)))
        };
        let keep = move |loaded: Result<ServedModel, ModelError>, models: &mut Models, _: &mut Context<Models>| {
            let model = loaded.map_err(|error| error.failure(me))?;
            let digest = model.model.digest;
            models.staged.push_back(Arc::new(model));
            models.make_room();
            Ok(digest)
        };
        Box::pin(loading.into_actor(self).map(keep))
    }
}

impl Handler<ActivateModel> for Models {
    type Result = ResponseActFuture<Self, Result<Model, Failure>>;

    fn handle(&mut self, ActivateModel(deployment): ActivateModel, _: &mut Context<Self>) -> Self::Result {
        let me = self.opener.me;
        let position = self
            .staged
            .iter()
            .position(|staged| staged.model.deployment == deployment);
        let staged = position.and_then(|position| self.staged.remove(position));
        let storage = self.storage.clone();
        let activating = async move {
            let model = staged.ok_or(ModelError::NotLoaded(me))?;
            let name = model.model.name.clone();
            let moved = spawn_blocking(move || storage.activate(deployment, &name)).await;
            moved.map_err(|_| ModelError::Defect(me))??;
            Ok(model)
        };
        let serve =
            move |activated: Result<Arc<ServedModel>, ModelError>, models: &mut Models, _: &mut Context<Models>| {
                let model = activated.map_err(|error| error.failure(me))?;
                models.serve(model.clone());
                Ok(model.model.clone())
            };
        Box::pin(activating.into_actor(self).map(serve))
    }
}

impl Handler<DiscardModel> for Models {
    type Result = ();

    fn handle(&mut self, DiscardModel(deployment): DiscardModel, _: &mut Context<Self>) {
        if let Some(position) = self
            .staged
            .iter()
            .position(|staged| staged.model.deployment == deployment)
        {
            self.staged.remove(position);
            self.forget(deployment);
        }
    }
}
