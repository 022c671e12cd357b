//! How variables reach a program and not the shell that starts it.
//!
//! A name may mean something to a shell (`OPTIND`, `SHELLOPTS`, `PATH`), which then would not do what it is there
//! for. So the shell finds them under names of ours, and sets them when nothing is left to do but to start the
//! program. What it keeps for itself, `env` sets.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// How many there are. Nobody may set a variable whose name begins as ours do.
const COUNT: &str = "DEPLOYER_VALUES";
/// Before the number of each.
const VALUE: &str = "DEPLOYER_VALUE_";

/// Starts `"$@"` with the variables that [`numbered`] has made of its own; the end of a shell's script. No
/// line of it depends on what is set by then.
macro_rules! start_with_variables {
    () => {
        r#"
while [ "${DEPLOYER_VALUES:-0}" -gt 0 ]; do
    eval "set -- \"\$DEPLOYER_VALUE_$DEPLOYER_VALUES\" \"\$@\"; unset DEPLOYER_VALUE_$DEPLOYER_VALUES"
    command export "$1" 2>/dev/null
    eval "case ${1%%=*}=\${${1%%=*}-} in \"\$1\") shift ;; *) set -- /usr/bin/env \"\$@\" ;; esac"
    DEPLOYER_VALUES=$((DEPLOYER_VALUES - 1))
done
unset DEPLOYER_VALUES
exec "$@"
"#
    };
}
pub(super) use start_with_variables;

/// The variables under names of ours, each as `NAME=VALUE`. One whose name no shell takes stays as it is.
pub(super) fn numbered(variables: BTreeMap<OsString, OsString>) -> BTreeMap<OsString, OsString> {
    let (mut all, mut count) = (BTreeMap::new(), 0);
    for (name, value) in variables {
        if !is_plain(&name) {
            all.insert(name, value);
            continue;
        }
        count += 1;
        let setting = [name.as_os_str(), OsStr::new("="), &value].into_iter().collect();
        all.insert(format!("{VALUE}{count}").into(), setting);
    }
    all.insert(COUNT.into(), count.to_string().into());
    all
}

/// Whether a shell can say the name.
fn is_plain(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.iter().all(is_word) && name.first().is_some_and(|first| !first.is_ascii_digit())
}
