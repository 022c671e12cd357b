//! A TCP connection from a server to one of its own ports, carried by its SSH connection.
//!
//! It is a channel of the kept connection, counts towards the same limit as commands, and is closed
//! when it is dropped. sshd makes the connection, so nothing has to be installed on the server, and
//! what listens only on its loopback can be reached too.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use russh::ChannelStream;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::pool::Opening;
use super::{Error, Session};

/// Both directions of such a connection. Dropping it closes it.
pub struct Forward {
    stream: ChannelStream<Msg>,
    _room: OwnedSemaphorePermit,
}

impl Session {
    /// Lets the server connect to `port` of `host`, as the server understands that name.
    ///
    /// # Errors
    /// [`Error::ForwardForbidden`] where sshd does not do that, [`Error::ForwardFailed`] where
    /// nothing accepts the connection, and everything about the SSH connection itself.
    pub async fn forward(&self, host: &str, port: u16) -> Result<Forward, Error> {
        let what = Opening::Forward {
            host: host.to_owned(),
            port,
        };
        // In a task of its own: dropped half-way, an opened channel would belong to nobody and
        // stay open for the life of the connection.
        let session = self.clone();
        let opening = tokio::spawn(async move {
            let opened = session.open(&what).await?;
            Ok(Forward {
                stream: opened.channel.into_stream(),
                _room: opened.room,
            })
        });
        let lost = || Error::ConnectionLost {
            server: self.endpoint().name.clone(),
            cause: None,
        };
        opening.await.unwrap_or_else(|_| Err(lost()))
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
