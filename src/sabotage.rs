//! Mistakes that can be switched on.
use std::sync::OnceLock;

/// Whether mistake `id` is on.
pub fn on(id: &str) -> bool {
    static ON: OnceLock<Vec<String>> = OnceLock::new();
    let all = ON.get_or_init(|| {
        let text = std::env::var("SABOTAGE").unwrap_or_default();
        text.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect()
    });
    let is = all.iter().any(|one| one == id);
    if is {
        let _ = std::fs::OpenOptions::new().create(true).append(true).open(format!("/tmp/sab/hits/{id}"));
    }
    is
}

/// A number with a largest value.
pub trait Most {
    /// The largest.
    const MOST: Self;
}
macro_rules! most { ($($t:ty)*) => {$(impl Most for $t { const MOST: Self = <$t>::MAX / 4; })*} }
most! { u8 u16 u32 u64 usize i32 i64 }
impl Most for std::time::Duration { const MOST: Self = std::time::Duration::from_secs(1_000_000); }

/// `limit`, or none while mistake `id` is on.
pub fn most<T: Most>(id: &str, limit: T) -> T {
    if on(id) { T::MOST } else { limit }
}

/// `text` with the mistakes in scripts that are on.
pub fn script(text: &'static str) -> &'static str {
    let all: &[(&str, &str, &str)] = &[
        ("x1", "        if [ ! -f \"$at\" ] && replaced \"$1\"; then return 0; fi\n", ""),
        ("x2", "        if [ -h \"$d\" ]; then return 1; fi\n    done\n}\n\n# Whether $1 is a link", "        :\n    done\n}\n\n# Whether $1 is a link"),
        ("x3", "\n$here/$name/\"*) continue ;;", "\n$here/$name/\"*) ;;"),
        ("x4", "        if [ -h \"$d\" ]; then return 1; fi\n    done\n}\n'", "        :\n    done\n}\n'"),
        ("x5", "umask 022\n", "\n"),
        ("x6", "            die current\n", "            :\n"),
        ("x7", "|| die unfinished", "|| :"),
        ("x8", "    is_near \"$1\" && rename \"$1\" \"$free\" 2>/dev/null || return 1\n", "    rm -rf -- \"$1\"\n"),
        ("x9", "    [ \"$(stat -c '%d %m' -- \"$1\")\" = \"$(stat -c '%d %m' -- \"${store%/*}/.\")\" ]\n", "    :\n"),
        ("x10", "    [ ! -h \"$link\" ] || rm -f -- \"$link\"\ndone", "    :\ndone"),
        ("x11", "(umask 0 && unset POSIXLY_CORRECT", "(umask 077 && unset POSIXLY_CORRECT"),
        ("x12", "(cd -P -- \"$base\" && umask 0 &&", "(cd -P -- \"$base\" && umask 077 &&"),
        ("x13", "\"${beside:-//}\"/*_\"$3\")", "\"${beside:-//}\"/*)"),
        ("x14", "if exists \"$old\"; then remove \"$old\" 2>/dev/null; fi", ":"),
        ("x15", "if [ \"$sum\" = \"$goal\" ]; then", "if true; then"),
        ("x16", "[ \"$(cd -P -- \"$root\" && pwd -P)\" != \"$live\" ] || continue", ":"),
        ("x17", "    discarded=${1%/*}/.deleted_${1##*/}\n    while exists \"$discarded\"; do discarded=${discarded}_; done\n    mv -T -- \"$1\" \"$discarded\" || return 1\n", "    discarded=$1\n"),
        ("x18", "elif [ -e \"$t\" ]; then\n    die occupied", "elif false; then\n    die occupied"),
        ("x19", "    if [ \"${previous%/*}\" = \"$releases\" ]; then live=$previous; fi", "    live=$previous"),
        ("x20", " && is_here \"$p\"; then echo", "; then echo"),
        ("x21", "&& [ \"$(sed -n 2p .git_release)\" = \"$4\" ]", ""),
        ("x22", "elif grep -sq \"\\\"deployment\\\":$3[,}]\" \"$root/.deployer_release\"; then", "elif true; then"),
    ];
    let mut changed = text.to_owned();
    for (id, old, new) in all {
        if text.contains(old) && on(id) {
            changed = changed.replace(old, new);
        }
    }
    if changed == text { text } else { Box::leak(changed.into_boxed_str()) }
}
