//! The demo's servers: an SSH server inside this process, one port per target.
//!
//! Each server has a directory of its own: `HOME` and the working directory of its commands. Commands are
//! real: `sh -c` on this machine, as this user. So are forwarded connections to this machine's ports, as with
//! sshd. Only the key of [`new_client_key`] can log in, and only from this machine. Host keys live as long as
//! the process.
//!
//! To the deployer these are servers like any other: the same client, the same check of host keys,
//! the same scripts.

mod command;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, MethodKind, MethodSet, Pty};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ssh::FetchedKey;

/// Notices clients that vanished.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Delay before a wrong key is refused; nobody from outside can guess here.
const REFUSAL_DELAY: Duration = Duration::from_millis(100);

/// Pause after a failed `accept` (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server to start.
#[derive(Debug, Clone)]
pub struct DemoServer {
    pub name: String,
    /// The home of its commands; an existing directory.
    pub home: PathBuf,
    /// TCP port on 127.0.0.1; `None`: any free one.
    pub port: Option<u16>,
}

/// A server that listens.
#[derive(Debug, Clone)]
pub struct Listening {
    pub name: String,
    /// TCP port on 127.0.0.1.
    pub port: u16,
    /// Its host key, to be pinned.
    pub host_key: FetchedKey,
}

/// All servers of a demo.
#[derive(Debug)]
pub struct Servers {
    /// One per target, in their order.
    pub listening: Vec<Listening>,
    tasks: TaskTracker,
}

impl Servers {
    /// Waits until every connection and command has ended, after the token was cancelled.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}

/// Makes a client key, writes its private half to `file` (readable by this user only) and returns
/// the public half in OpenSSH's form.
///
/// # Errors
/// When `file` exists already or cannot be written.
pub fn new_client_key(file: &Path) -> io::Result<String> {
    let key = new_key()?;
    let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(text.as_bytes())?;
    key.public_key().to_openssh().map_err(io::Error::other)
}

fn new_key() -> io::Result<PrivateKey> {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).map_err(io::Error::other)
}

/// Starts a server for each of `targets`, which lets in the holder of `authorized_key` (OpenSSH's
/// form) under any user name, until `stop` is cancelled.
///
/// # Errors
/// When a port is taken or the key is invalid.
pub async fn start(
    targets: Vec<DemoServer>,
    authorized_key: &str,
    stop: CancellationToken,
) -> io::Result<Servers> {
    let authorized = PublicKey::from_openssh(authorized_key).map_err(io::Error::other)?;
    let authorized = Arc::new(authorized.key_data().clone());
    let tasks = TaskTracker::new();
    let mut listening = Vec::new();
    for target in targets {
        let key = new_key()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, target.port.unwrap_or(0)));
        let listener = TcpListener::bind(address).await?;
        listening.push(Listening {
            name: target.name,
            port: listener.local_addr()?.port(),
            host_key: FetchedKey::from(key.public_key()),
        });
        let host = Host {
            home: Arc::from(target.home),
            authorized: authorized.clone(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(accept(listener, Arc::new(config(key)), host));
    }
    tasks.close();
    Ok(Servers { listening, tasks })
}

fn config(key: PrivateKey) -> server::Config {
    server::Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        keys: vec![key],
        auth_rejection_time: REFUSAL_DELAY,
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        nodelay: true,
        ..server::Config::default()
    }
}

/// Serves one target's port.
async fn accept(listener: TcpListener, config: Arc<server::Config>, host: Host) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = host.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                host.tasks.spawn(serve(stream, config.clone(), host.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a demo server cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, config: Arc<server::Config>, host: Host) {
    let stop = host.stop.clone();
    let talk = async {
        let session = server::run_stream(config, stream, host).await?;
        let handle = session.handle();
        tokio::select! {
            ended = session => ended,
            () = stop.cancelled() => {
                handle.disconnect(Disconnect::ByApplication, "the demo ends".to_owned(), String::new()).await
            }
        }
    };
    let ended = tokio::select! {
        ended = talk => ended,
        () = async { stop.cancelled().await; tokio::time::sleep(REFUSAL_DELAY).await } => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to a demo server ended");
    }
}

/// Carries bytes between a client and `address`, which has to be this machine's own.
async fn forward(
    channel: Channel<Msg>,
    address: SocketAddr,
    reply: ChannelOpenHandle,
    stop: CancellationToken,
) {
    if !address.ip().is_loopback() {
        reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        return;
    }
    let Ok(mut there) = TcpStream::connect(address).await else {
        reply.reject(ChannelOpenFailure::ConnectFailed).await;
        return;
    };
    reply.accept().await;
    let mut client = channel.into_stream();
    let carrying = tokio::io::copy_bidirectional(&mut client, &mut there);
    stop.run_until_cancelled(carrying).await;
}

/// One target, as each of its connections sees it.
#[derive(Clone)]
struct Host {
    home: Arc<Path>,
    authorized: Arc<KeyData>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Host {
    fn judge(&self, key: &PublicKey) -> Auth {
        if *key.key_data() == *self.authorized {
            Auth::Accept
        } else {
            Auth::reject()
        }
    }
}

impl server::Handler for Host {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        key: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(self.judge(key.public_key))
    }

    async fn auth_publickey(&mut self, _: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(self.judge(key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        let (home, stop) = (self.home.clone(), self.stop.clone());
        self.tasks
            .spawn(command::serve(channel, session.handle(), home, stop));
        Ok(())
    }

    /// Connects to a port of this machine for the client, as sshd does.
    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        let address = host.parse().map(|address: IpAddr| (address, port.try_into()));
        let (Ok((address, Ok(port))), stop) = (address, self.stop.clone()) else {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        };
        self.tasks
            .spawn(forward(channel, SocketAddr::new(address, port), reply, stop));
        Ok(())
    }

    /// The command itself reaches [`command::serve`] through the channel.
    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_failure(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(channel)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(channel)
    }
}
