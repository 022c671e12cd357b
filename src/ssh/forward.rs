//! A TCP connection from a server to one of its own ports, carried by its SSH connection.
//!
//! It is a channel of the kept connection, counts towards the same limit as commands, and is closed
//! when it is dropped. sshd makes the connection, so nothing has to be installed on the server, and
//! what listens only on its loopback can be reached too.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use russh::ChannelStream;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::connection::{Connection, Opening};
use super::{Endpoint, Error};

/// Both directions of such a connection. Dropping it closes it.
pub struct Forward {
    stream: ChannelStream<Msg>,
    _room: OwnedSemaphorePermit,
}

impl Forward {
    /// Lets the server at the end of `connection` connect, as the server understands `what`.
    pub(super) async fn open(
        connection: Arc<Connection>,
        endpoint: Arc<Endpoint>,
        what: Opening,
    ) -> Result<Self, Error> {
        let lost = Error::ConnectionLost {
            server: endpoint.name.clone(),
            cause: None,
        };
        // In a task of its own: dropped half-way, an opened channel would belong to nobody and
        // stay open for the life of the connection.
        let opening = tokio::spawn(async move {
            let opened = connection.open(&endpoint, &what).await?;
            Ok(Self {
                stream: opened.channel.into_stream(),
                _room: opened.room,
            })
        });
        opening.await.unwrap_or(Err(lost))
    }
}

impl AsyncRead for Forward {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Forward {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
