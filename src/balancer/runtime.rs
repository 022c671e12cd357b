//! HAProxy's Runtime API: one line in, one answer out, over a unix or TCP socket.
//!
//! Each question has a connection of its own, as HAProxy expects from scripts: it answers, adds an
//! empty line and closes. The empty line distinguishes a complete answer from a truncated one. The
//! state is asked for with two commands on one line, so that both answers are from the same moment.

use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::options::{ANSWER_BYTES, Limits};
use super::state::BackendSlot;
use super::table::StatsTable;
use super::{Admin, Error};

/// The administrative state of all servers, and the figures of all backends (2) and servers (4).
const READ: &str = "show servers state;show stat -1 6 -1";

/// Where HAProxy listens for commands.
#[derive(Debug, Clone)]
pub(super) enum SocketAddress {
    Unix(PathBuf),
    Tcp(String, u16),
}

/// A socket of one HAProxy.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    pub(super) label: String,
    pub(super) address: SocketAddress,
}

impl Socket {
    pub(super) async fn read(&self, limits: &Limits) -> Result<StatsTable, Error> {
        let answer = self.ask(READ, limits).await?;
        let odd = || Error::not_haproxy(&self.label, &answer);
        let (flags, figures) = answer.split_once("\n\n").ok_or_else(odd)?;
        if !flags.starts_with("1\n# be_id ") || !figures.starts_with("# pxname,") {
            return Err(odd());
        }
        if !figures.ends_with("\n\n") {
            return Err(self.cut_short(None));
        }
        let mut table = StatsTable::parse(&self.label, figures).ok_or_else(odd)?;
        table.add_flags(flags);
        Ok(table)
    }

    pub(super) async fn set(&self, slot: &BackendSlot, admin: Admin, limits: &Limits) -> Result<(), Error> {
        slot.check()?;
        let (backend, server) = (&slot.backend, &slot.server);
        let line = format!("set server {backend}/{server} state {}", admin.word());
        let answer = self.ask(&line, limits).await?;
        let endpoint = self.label.clone();
        match answer.trim() {
            "" => Ok(()),
            "Permission denied" => Err(Error::NoPermission { endpoint }),
            "No such backend." => Err(Error::UnknownBackend {
                endpoint,
                backend: backend.clone(),
                known: Vec::new(),
            }),
            "No such server." => Err(Error::UnknownServer {
                endpoint,
                backend: backend.clone(),
                tried: vec![server.clone()],
                known: Vec::new(),
            }),
            other => Err(Error::Refused {
                endpoint,
                act: admin.word(),
                slot: slot.to_string(),
                answer: other.chars().take(200).collect(),
            }),
        }
    }

    pub(super) async fn may_change(&self, limits: &Limits) -> Result<(), Error> {
        let answer = self.ask("show cli level", limits).await?;
        match answer.trim() {
            "admin" => Ok(()),
            "operator" | "user" => Err(Error::NoPermission {
                endpoint: self.label.clone(),
            }),
            _ => Err(Error::not_haproxy(&self.label, &answer)),
        }
    }

    /// Sends one line and reads the whole answer, which is never empty.
    async fn ask(&self, line: &str, limits: &Limits) -> Result<String, Error> {
        debug_assert!(!line.contains('\n'), "one line is one question");
        let late = |limit| Error::Timeout {
            endpoint: self.label.clone(),
            limit,
        };
        let failed = |error| Error::unreachable(&self.label, error);
        match &self.address {
            SocketAddress::Unix(path) => {
                let stream = timeout(limits.connect, UnixStream::connect(path)).await;
                let stream = stream.map_err(|_| late(limits.connect))?.map_err(failed)?;
                timeout(limits.answer, self.exchange(stream, line)).await
            }
            SocketAddress::Tcp(host, port) => {
                let stream = timeout(limits.connect, TcpStream::connect((host.as_str(), *port))).await;
                let stream = stream.map_err(|_| late(limits.connect))?.map_err(failed)?;
                timeout(limits.answer, self.exchange(stream, line)).await
            }
        }
        .map_err(|_| late(limits.answer))?
    }

    async fn exchange(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        line: &str,
    ) -> Result<String, Error> {
        let sent = stream.write_all(format!("{line}\n").as_bytes()).await;
        sent.map_err(|error| self.cut_short(Some(error)))?;
        let mut answer = Vec::new();
        let most = u64::try_from(ANSWER_BYTES).unwrap_or(u64::MAX);
        let taken = stream.take(most + 1).read_to_end(&mut answer).await;
        taken.map_err(|error| self.cut_short(Some(error)))?;
        let endpoint = self.label.clone();
        if answer.is_empty() {
            return Err(Error::Empty { endpoint });
        }
        if answer.len() > crate::sabotage::most("q23", ANSWER_BYTES) {
            return Err(Error::TooLong { endpoint });
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn cut_short(&self, cause: Option<std::io::Error>) -> Error {
        Error::Closed {
            endpoint: self.label.clone(),
            cause: cause.map(Into::into),
        }
    }
}
