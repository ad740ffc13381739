//! The connection to the coordinator: dialled when needed, one request a stream.

use std::time::Duration;

use tercet_net::{Connection, Endpoint, NetError, Peer, PeerName};
use tercet_wire::{ClientReply, ClientRequest, decode, encode};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::error::ClientError;
use crate::settings::ClientSettings;

pub(crate) struct Link {
    endpoint: Endpoint,
    settings: ClientSettings,
    /// The connection of the last request; it may be gone by now.
    connection: Mutex<Option<Connection>>,
}

impl Link {
    /// Connects, so that a wrong address or certificate shows at once.
    pub(crate) async fn connect(settings: ClientSettings) -> Result<Link, ClientError> {
        let (address, identity) = (settings.coordinator_address, settings.identity.clone());
        let endpoint = Endpoint::dial_only(address, identity, settings.transport.clone());
        let link = Link {
            endpoint: endpoint.map_err(ClientError::Coordinator)?,
            settings,
            connection: Mutex::new(None),
        };
        link.connection().await?;
        Ok(link)
    }

    pub(crate) fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// A connection, and whether it stood already.
    async fn connection(&self) -> Result<(Connection, bool), ClientError> {
        let mut place = self.connection.lock().await;
        if let Some(connection) = place.as_ref().filter(|connection| connection.close_reason().is_none()) {
            return Ok((connection.clone(), true));
        }
        let peer = Peer {
            name: PeerName::Coordinator,
            fingerprint: self.settings.coordinator,
        };
        let dialled = self.endpoint.connect(self.settings.coordinator_address, &peer).await;
        let connection = dialled.map_err(ClientError::Coordinator)?;
        *place = Some(connection.clone());
        Ok((connection, false))
    }

    /// Asks, and waits for the reply for `time` at most. Giving up tells the coordinator, which cancels what it can.
    ///
    /// `request` is made anew for a second attempt, which there is if a connection that stood already turns out to be lost:
    /// the coordinator may have been restarted since the last request.
    pub(crate) async fn ask(
        &self,
        mut request: impl FnMut() -> Result<ClientRequest, ClientError>,
        reply_bytes_max: usize,
        time: Duration,
    ) -> Result<ClientReply, ClientError> {
        let asking = async {
            // Made before the connection is: sealing a large model takes seconds, in which nothing would keep a connection alive.
            let message = encode(&request()?);
            let (connection, stood) = self.connection().await?;
            match exchange(&connection, message, reply_bytes_max).await {
                Err(NetError::PeerLost { .. } | NetError::ClosedByPeer { .. }) if stood => {
                    let message = encode(&request()?);
                    let (connection, _) = self.connection().await?;
                    exchange(&connection, message, reply_bytes_max).await
                }
                exchanged => exchanged,
            }
            .map_err(ClientError::Coordinator)
        };
        let bytes = timeout(time, asking).await.map_err(|_| ClientError::Late(time))??;
        match decode(&bytes)? {
            ClientReply::Failure(failure) => Err(ClientError::Refused(failure)),
            reply => Ok(reply),
        }
    }
}

async fn exchange(connection: &Connection, request: Vec<u8>, reply_bytes_max: usize) -> Result<Vec<u8>, NetError> {
    let mut stream = connection.open_stream().await?;
    // Whoever refuses a request before it has all come stops reading, and says why.
    if stream.writer.write_message(request, usize::MAX).await.is_ok() {
        stream.writer.finish();
    }
    stream.reader.read_message(reply_bytes_max).await
}
