//! The protocol over gRPC.

mod convert;
mod status;

use std::sync::Arc;

use tonic::{Request, Response, Status};

use self::convert::{infer_request, infer_response, model_index, model_metadata};
use self::status::status;
use crate::EXTENSIONS;
use crate::error::GatewayError;
use crate::service::Service;

/// What the definition in `proto` generates.
#[allow(missing_docs, clippy::all, unused_qualifications)]
pub(crate) mod messages {
    tonic::include_proto!("inference");
}

use messages::grpc_inference_service_server::GrpcInferenceService;
pub(crate) use messages::grpc_inference_service_server::GrpcInferenceServiceServer;
use messages::{
    ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelMetadataResponse, ModelReadyRequest,
    ModelReadyResponse, RepositoryIndexRequest, RepositoryIndexResponse, RepositoryModelLoadRequest,
    RepositoryModelLoadResponse, RepositoryModelUnloadRequest, RepositoryModelUnloadResponse, ServerLiveRequest,
    ServerLiveResponse, ServerMetadataRequest, ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse,
};

/// The calls of the protocol.
pub(crate) struct Calls(pub Arc<Service>);

type Reply<T> = Result<Response<T>, Status>;

impl Calls {
    /// The caller may ask about `model`.
    fn check_access<T>(&self, request: &Request<T>, model: Option<&str>) -> Result<(), Status> {
        let header = request.metadata().get("authorization");
        let header = header.and_then(|header| header.to_str().ok());
        self.0.access.check(header, model).map_err(status)
    }

    async fn is_model_ready(&self, request: &ModelReadyRequest) -> Result<(), GatewayError> {
        self.0.metadata(&request.name, Some(&request.version)).await?;
        self.0.ready().await
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for Calls {
    async fn server_live(&self, _: Request<ServerLiveRequest>) -> Reply<ServerLiveResponse> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    // Not ready is an answer here, not an error: callers read the field.
    async fn server_ready(&self, _: Request<ServerReadyRequest>) -> Reply<ServerReadyResponse> {
        let ready = self.0.ready().await.is_ok();
        Ok(Response::new(ServerReadyResponse { ready }))
    }

    async fn model_ready(&self, request: Request<ModelReadyRequest>) -> Reply<ModelReadyResponse> {
        self.check_access(&request, Some(&request.get_ref().name))?;
        let ready = self.is_model_ready(request.get_ref()).await.is_ok();
        Ok(Response::new(ModelReadyResponse { ready }))
    }

    async fn server_metadata(&self, request: Request<ServerMetadataRequest>) -> Reply<ServerMetadataResponse> {
        self.check_access(&request, None)?;
        Ok(Response::new(ServerMetadataResponse {
            name: "tercet".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: EXTENSIONS.iter().map(|&extension| extension.to_owned()).collect(),
        }))
    }

    async fn model_metadata(&self, request: Request<ModelMetadataRequest>) -> Reply<ModelMetadataResponse> {
        self.check_access(&request, Some(&request.get_ref().name))?;
        let ModelMetadataRequest { name, version } = request.into_inner();
        let metadata = self.0.metadata(&name, Some(&version)).await.map_err(status)?;
        Ok(Response::new(model_metadata(metadata)))
    }

    async fn model_infer(&self, request: Request<ModelInferRequest>) -> Reply<ModelInferResponse> {
        self.check_access(&request, Some(&request.get_ref().model_name))?;
        let deadline = convert::deadline(request.metadata());
        let request = request.into_inner();
        let (model, version) = (request.model_name.clone(), request.model_version.clone());
        let mut query = infer_request(request, deadline).map_err(|error| status(error.into()))?;
        let answered = self.0.infer(&model, Some(&version), &mut query).await.map_err(status)?;
        Ok(Response::new(infer_response(&answered, query.id)))
    }

    async fn repository_index(&self, request: Request<RepositoryIndexRequest>) -> Reply<RepositoryIndexResponse> {
        self.check_access(&request, None)?;
        let entries = self.0.index().await.map_err(status)?;
        Ok(Response::new(model_index(entries, request.get_ref().ready)))
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Reply<RepositoryModelLoadResponse> {
        self.check_access(&request, None)?;
        Err(status(GatewayError::NotHere))
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Reply<RepositoryModelUnloadResponse> {
        self.check_access(&request, None)?;
        Err(status(GatewayError::NotHere))
    }
}
