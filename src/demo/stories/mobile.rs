//! The phones' backend. Its feature branch has a test that fails on one server only: what a
//! failure in the middle of a rollout looks like.

use super::Edit::{Append, Put, Script, Swap};
use super::scripts::{MOBILE_DEPLOY, MOBILE_TESTS, MOBILE_TESTS_V2};
use super::{Act, DORA, RAVI, TOM, branch, commit, merge};

const ROUTES: &str =
    "[routes]\n\"/v1/session\" = \"sessions\"\n\"/v1/devices\" = \"push\"\n\"/v1/pictures\" = \"media\"\n";
const PUSH: &str = "[push]\ngateway = \"push.example.com:443\"\nretries = 3\n";
const SESSIONS: &str = "package sessions\n\nconst Lifetime = 30 * 24 * time.Hour\n\nfunc Renew(s *Session, now time.Time) {\n\ts.Until = now.Add(Lifetime)\n}\n";

/// What happened to the backend.
pub const ACTS: &[Act] = &[
    commit(
        "main",
        RAVI,
        "Sessions, push and pictures",
        &[
            Put("README.md", "# mobile-backend\n\nWhat the phone apps talk to.\n"),
            Put("go.mod", "module example.com/mobile\n\ngo 1.25\n"),
            Put("config/routes.toml", ROUTES),
            Put("config/push.toml", PUSH),
            Put("sessions/sessions.go", SESSIONS),
            Put("media/media.go", "package media\n\nconst MaxBytes = 8 << 20\n"),
            Script("deploy.sh", MOBILE_DEPLOY),
            Script("tests/run_tests.sh", MOBILE_TESTS),
        ],
    ),
    commit(
        "main",
        TOM,
        "Pictures may have 12 MB",
        &[Swap("media/media.go", "8 << 20", "12 << 20")],
    ),
    commit(
        "main",
        RAVI,
        "Phones forget us after 90 days, not 30",
        &[Swap("sessions/sessions.go", "30 * 24", "90 * 24")],
    ),
    commit(
        "main",
        DORA,
        "Tell old apps to update",
        &[Put(
            "sessions/version.go",
            "package sessions\n\nconst OldestApp = \"4.2\"\n",
        )],
    ),
    branch("feature/push-v2", "main"),
    commit(
        "main",
        TOM,
        "Thumbnails in two sizes",
        &[Append("media/media.go", "\nvar Thumbnails = []int{160, 640}\n")],
    ),
    commit(
        "feature/push-v2",
        RAVI,
        "Push through the new gateway",
        &[Swap(
            "config/push.toml",
            "push.example.com:443",
            "gateway.push.example.com:8443",
        )],
    ),
    commit(
        "main",
        DORA,
        "Oldest app is 4.4 now",
        &[Swap("sessions/version.go", "4.2", "4.4")],
    ),
    commit(
        "main",
        RAVI,
        "Five retries for pushes",
        &[Swap("config/push.toml", "retries = 3", "retries = 5")],
    ),
    branch("fix/session-race", "main"),
    commit(
        "fix/session-race",
        TOM,
        "Renew a session only once at a time\n\nTwo requests of one phone could each end the other's session.",
        &[Append("sessions/sessions.go", "\nvar renewing sync.Map\n")],
    ),
    merge("fix/session-race", "main", RAVI),
    commit(
        "feature/push-v2",
        RAVI,
        "Ask the gateway after a deployment",
        &[Script("tests/run_tests.sh", MOBILE_TESTS_V2)],
    ),
    commit(
        "main",
        DORA,
        "Log which app asks",
        &[Append(
            "sessions/version.go",
            "\nconst Header = \"X-App-Version\"\n",
        )],
    ),
    commit(
        "main",
        TOM,
        "Third thumbnail for tablets",
        &[Swap("media/media.go", "{160, 640}", "{160, 640, 1280}")],
    ),
];
