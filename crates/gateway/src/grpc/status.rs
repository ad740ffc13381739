use tonic::{Code, Status};

use crate::error::{GatewayError, Remedy};

/// An error as gRPC's callers read it.
///
/// Some clients repeat what fails as `UNAVAILABLE` by themselves. That is of use where the coordinator is not reached; it does no harm where a party is
/// lost, since every attempt is a new session with fresh masks.
pub(super) fn status(error: GatewayError) -> Status {
    let code = match error.remedy() {
        Remedy::MendRequest | Remedy::Split => Code::InvalidArgument,
        Remedy::OtherModel => Code::NotFound,
        Remedy::Authenticate => Code::Unauthenticated,
        Remedy::Permission => Code::PermissionDenied,
        Remedy::Later => Code::ResourceExhausted,
        Remedy::MoreTime => Code::DeadlineExceeded,
        Remedy::Operators => Code::Unavailable,
        Remedy::Report => Code::Internal,
    };
    Status::new(code, error.to_string())
}
