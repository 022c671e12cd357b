//! What one HAProxy reports about its servers: statistics in CSV, which socket and page share, and the
//! flags that only the socket has.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::rollout::EndpointPlace;

/// Bits of `srv_admin_state`: maintenance by somebody's hand or the configuration, by the tracked
/// server, by name resolution; then drained by hand, by the tracked server.
const MAINT_BY_HAND: u32 = 0x01;
const MAINT_FROM_ELSEWHERE: u32 = 0x02 | 0x20;
const DRAIN_BY_HAND: u32 = 0x08;
const DRAIN_FROM_ELSEWHERE: u32 = 0x10;

/// The longest cell that is shown whole, in bytes: names have 255 at most, and a check's last words are
/// a line.
const CELL_BYTES: usize = 512;

/// The percentage of a server that takes its whole share of the traffic.
pub(super) const FULL: u64 = 100;

/// Whether a server should serve, by somebody's decision; its health is another matter. Later variants
/// are further out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Admin {
    /// In service, if it is healthy.
    Ready,
    /// No new sessions except those that stick to it.
    Drain,
    /// No sessions, no checks.
    Maint,
}

impl Admin {
    /// As HAProxy writes it, in commands and in forms.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// The health of a server, as far as HAProxy knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// Passes its checks.
    Up,
    /// Counts as up, but has not passed all checks it has to: after the last ones failed, and right
    /// after maintenance, before the first was made.
    Wavering,
    /// Fails its checks.
    Down,
    /// Counts as down, but has begun to pass checks.
    Rising,
    /// Nobody checks it, so it counts as up.
    NoCheck,
    /// Takes no new sessions because the server itself said so.
    Stopping,
    /// In maintenance, where nobody checks.
    Unknown,
}

/// One server in one backend, as one endpoint reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLine {
    /// The address of the endpoint, as the balancer's row has it.
    pub endpoint: String,
    pub backend: String,
    /// What HAProxy calls it.
    pub server: String,
    /// What was decided about it.
    pub admin: Admin,
    /// It is out because of something else (a tracked server, name resolution), whatever was decided about
    /// itself: setting it ready does not bring it into service.
    pub inherited: bool,
    /// It was taken out itself, as far as the endpoint says so.
    pub by_itself: bool,
    /// The server that it follows (`track`), as backend and name.
    pub follows: Option<String>,
    /// Whether it passes its checks.
    pub health: Health,
    /// HAProxy's own words for both, such as “UP 1/3”.
    pub status: String,
    /// Sessions it has now.
    pub sessions: u64,
    /// Sessions that wait for it.
    pub queued: u64,
    /// Whether an agent on it has a say in its state (`agent-check`).
    pub has_agent: bool,
    /// Its share of the traffic.
    pub weight: u64,
    /// How much of its weight it has so far, in percent, while it grows after it came up (`slowstart`); 100
    /// otherwise.
    pub growth: u64,
    /// What the last check found; empty without one.
    pub last_check: String,
    /// For how long it has been up or down.
    pub since: Duration,
    /// Where HAProxy reaches it, if it says so.
    pub address: Option<String>,
}

impl ServerLine {
    /// Takes new sessions.
    pub fn is_up(&self) -> bool {
        self.admin == Admin::Ready && matches!(self.health, Health::Up | Health::Wavering | Health::NoCheck)
    }

    /// Takes new sessions, and passes its checks if there are any.
    pub fn is_proven(&self) -> bool {
        self.is_up() && self.health != Health::Wavering
    }

    /// Passes its checks, if there are any and they are made: not in maintenance.
    pub fn passes(&self) -> bool {
        self.admin != Admin::Maint && matches!(self.health, Health::Up | Health::NoCheck)
    }

    /// What it is about.
    pub fn place(&self) -> EndpointPlace {
        EndpointPlace {
            endpoint: self.endpoint.clone(),
            backend: self.backend.clone(),
            server: self.server.clone(),
        }
    }

    /// Status and last check in one phrase.
    pub fn words(&self) -> String {
        match self.last_check.as_str() {
            "" => self.status.clone(),
            check => format!("{} ({check})", self.status),
        }
    }
}

/// Everything that one endpoint reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StatsTable {
    pub(super) backends: Vec<String>,
    pub(super) servers: Vec<ServerLine>,
}

impl StatsTable {
    /// Reads HAProxy's CSV; `None` when it is something else.
    pub(super) fn parse(endpoint: &str, csv: &str) -> Option<Self> {
        let mut rows = rows(csv.strip_prefix("# ")?).into_iter();
        let header = rows.next()?;
        let columns: HashMap<&str, usize> = header
            .iter()
            .enumerate()
            .map(|(at, name)| (name.as_str(), at))
            .collect();
        let needed = ["pxname", "svname", "scur", "qcur", "status", "weight", "type"];
        if !needed.iter().all(|name| columns.contains_key(name)) {
            return None;
        }
        let mut table = Self::default();
        for row in rows {
            let cell = |name: &str| {
                columns
                    .get(name)
                    .and_then(|at| row.get(*at))
                    .map_or("", String::as_str)
            };
            match cell("type") {
                "1" => table.backends.push(cell("pxname").to_owned()),
                "2" => table.servers.push(line(endpoint, cell)),
                _ => {}
            }
        }
        Some(table)
    }

    /// Adds from `show servers state` what the CSV lacks: decisions about servers that are also down,
    /// and addresses.
    pub(super) fn add_flags(&mut self, text: &str) {
        let mut lines = text.lines().skip_while(|line| !line.starts_with("# "));
        let header = lines.next().unwrap_or_default();
        let columns: Vec<&str> = header.trim_start_matches("# ").split(' ').collect();
        let column = |name: &str| columns.iter().position(|known| *known == name);
        let mut known: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        for line in lines {
            let cells: Vec<&str> = line.split(' ').collect();
            let cell = |name: &str| column(name).and_then(|at| cells.get(at)).copied();
            if let (Some(backend), Some(server)) = (cell("be_name"), cell("srv_name")) {
                known.insert((backend, server), cells);
            }
        }
        for server in &mut self.servers {
            let Some(cells) = known.get(&(server.backend.as_str(), server.server.as_str())) else {
                continue;
            };
            let cell = |name: &str| column(name).and_then(|at| cells.get(at)).copied();
            if let Some(flags) = cell("srv_admin_state").and_then(|flags| flags.parse().ok()) {
                (server.admin, server.inherited, server.by_itself) = decision(flags);
            }
            if let (Some(address), Some(port)) = (cell("srv_addr"), cell("srv_port")) {
                server.address = Some(address)
                    .filter(|address| *address != "-")
                    .map(|address| format!("{address}:{port}"));
            }
        }
    }
}

/// The decision, whether something else keeps the server out, and whether it was taken out itself.
fn decision(flags: u32) -> (Admin, bool, bool) {
    let has = |bits: u32| flags & bits != 0;
    let admin = if has(MAINT_BY_HAND | MAINT_FROM_ELSEWHERE) {
        Admin::Maint
    } else if has(DRAIN_BY_HAND | DRAIN_FROM_ELSEWHERE) {
        Admin::Drain
    } else {
        Admin::Ready
    };
    (
        admin,
        has(MAINT_FROM_ELSEWHERE | DRAIN_FROM_ELSEWHERE),
        has(MAINT_BY_HAND | DRAIN_BY_HAND),
    )
}

fn line<'a>(endpoint: &str, cell: impl Fn(&str) -> &'a str) -> ServerLine {
    let number = |name: &str| cell(name).parse().unwrap_or(0);
    let status = cell("status");
    let (admin, health) = meaning(status);
    let is_inherited = status.starts_with("MAINT (");
    ServerLine {
        endpoint: endpoint.to_owned(),
        backend: cell("pxname").to_owned(),
        server: cell("svname").to_owned(),
        admin,
        inherited: is_inherited,
        by_itself: admin != Admin::Ready && !is_inherited,
        follows: Some(cell("tracked").to_owned()).filter(|tracked| !tracked.is_empty()),
        health,
        status: status.to_owned(),
        sessions: number("scur"),
        queued: number("qcur"),
        has_agent: !cell("agent_status").is_empty(),
        weight: number("weight"),
        growth: cell("throttle")
            .parse()
            .map_or(FULL, |growth: u64| growth.min(FULL)),
        last_check: last_check(cell("check_status"), cell("check_code"), cell("last_chk")),
        since: Duration::from_secs(number("lastchg")),
        address: Some(cell("addr").to_owned()).filter(|address| !address.is_empty()),
    }
}

/// What HAProxy's status means.
fn meaning(status: &str) -> (Admin, Health) {
    let (word, rest) = status.split_once(' ').unwrap_or((status, ""));
    let counting = rest.contains('/') && !rest.starts_with('(');
    match (word, counting) {
        ("UP", false) => (Admin::Ready, Health::Up),
        ("UP", true) => (Admin::Ready, Health::Wavering),
        ("no", _) => (Admin::Ready, Health::NoCheck),
        ("DOWN", true) => (Admin::Ready, Health::Rising),
        ("NOLB", _) => (Admin::Ready, Health::Stopping),
        ("DRAIN", false) => (Admin::Drain, Health::Up),
        ("DRAIN", true) => (Admin::Drain, Health::Wavering),
        ("MAINT", _) => (Admin::Maint, Health::Unknown),
        _ => (Admin::Ready, Health::Down),
    }
}

/// Such as “L7STS 503: Service Unavailable”.
fn last_check(kind: &str, code: &str, text: &str) -> String {
    // The star marks a check in progress; the code of the last check may be missing then.
    let kind = kind.trim_start_matches("* ");
    let head = format!("{kind} {}", if code == "0" { "" } else { code });
    match (head.trim(), text.trim()) {
        ("", text) => text.to_owned(),
        (head, "") => head.to_owned(),
        (head, text) => format!("{head}: {text}"),
    }
}

/// A cell as people may read it: on one line, and no longer than anything that HAProxy has to say.
fn tidy(cell: String) -> String {
    let is_tidy = cell.len() <= CELL_BYTES && !cell.contains(char::is_control);
    if is_tidy {
        return cell;
    }
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    cell.chars().take(CELL_BYTES).map(plain).collect()
}

/// The cells of each row. Quoted ones may hold commas, line ends and doubled quotes.
fn rows(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut chars = csv.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(tidy(std::mem::take(&mut cell))),
            '\n' if !quoted => {
                if !(row.is_empty() && cell.is_empty()) {
                    row.push(tidy(std::mem::take(&mut cell)));
                    rows.push(std::mem::take(&mut row));
                }
            }
            c => cell.push(c),
        }
    }
    rows
}
