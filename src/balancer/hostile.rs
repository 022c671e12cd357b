//! Answers that no HAProxy has written: read or refused, never believed half-way.

use proptest::collection::vec;
use proptest::prelude::*;

use super::state::{BackendSlot, Sought, State};
use super::table::StatsTable;
use super::{Admin, Error};
use crate::cases::cases;

/// The longest sentence about an answer, in characters: it names twenty cells at most.
const SENTENCE: usize = 24 * 512;
/// The longest cell that is kept, in characters.
const CELL: usize = 512;
const HEADER: &str =
    "# pxname,svname,qcur,scur,status,weight,type,check_status,check_code,last_chk,lastchg,addr,\n";
const FLAGS: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port\n";

/// Text that looks like what HAProxy answers, whole and in pieces.
fn answer() -> impl Strategy<Value = String> {
    let words = vec![
        HEADER,
        FLAGS,
        "app,web1,0,0,UP,1,2,,,,5,10.0.0.7:80,\n",
        "app,web1,18446744073709551615,18446744073709551615,no check,1,2,,,,18446744073709551615,,\n",
        "app,BACKEND,0,0,UP,1,1,,,,5,,\n",
        "3 app 1 web1 10.0.0.7 2 8 80\n",
        "3 app 1 web1 - 0 4294967295 0\n",
        "3 app 1 web1 :: 0 99999999999 -1\n",
        "app",
        "web1",
        "DOWN 1/3",
        "MAINT (via a/b)",
        "DRAIN 2/3",
        "NOLB",
        "* L7STS",
        ",",
        "\"",
        "\"\"",
        "\n",
        "\r\n",
        " ",
        "\0",
        "# ",
        "-1",
        "1e9",
        "\u{202e}",
        "é",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(words).prop_map(str::to_owned),
        1 => ".{0,20}",
        1 => (500_usize..600).prop_map(|long| "n".repeat(long)),
    ];
    (any::<bool>(), vec(piece, 0..40)).prop_map(|(is_whole, pieces)| {
        let head = if is_whole { HEADER } else { "" };
        format!("{head}{}", pieces.concat())
    })
}

fn is_a_sentence(error: &Error) -> bool {
    let text = error.to_string();
    text.ends_with('.') && text.chars().count() <= SENTENCE && !text.contains(['\n', '\0'])
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn figures_are_read_or_refused(figures in answer(), flags in answer(), other in answer()) {
        prop_assert!(is_a_sentence(&Error::not_haproxy("tcp://lb:1", &figures)));
        let Some(mut table) = StatsTable::parse("tcp://lb:1", &figures) else { return Ok(()) };
        let lines = figures.matches('\n').count();
        prop_assert!(table.servers.len() + table.backends.len() <= lines);
        table.add_flags(&flags);
        let mut tables = vec![("tcp://lb:1".to_owned(), table)];
        tables.extend(StatsTable::parse("tcp://lb:2", &other).map(|other| ("tcp://lb:2".to_owned(), other)));
        let mut backends: Vec<String> = tables.iter().flat_map(|(_, table)| table.backends.clone()).collect();
        backends.sort();
        backends.dedup();
        let state = State::merge(tables);
        prop_assert!(backends.iter().all(|name| name.chars().count() <= CELL));
        for merged in &state.servers {
            prop_assert!(!merged.up || merged.admin == Admin::Ready);
            match BackendSlot::new(&merged.slot.backend, &merged.slot.server) {
                Ok(slot) => prop_assert_eq!(&slot, &merged.slot),
                Err(error) => prop_assert!(is_a_sentence(&error), "{}", error),
            }
        }
        let sought = Sought { name: "web1.example", address: "10.0.0.7", balancer_name: None };
        match state.slots_of(&backends, sought) {
            Ok(slots) => {
                prop_assert!(slots.iter().all(|slot| slot.check().is_ok()));
                let agreed = slots.iter().try_for_each(|slot| state.require(slot)?.agreed());
                if let Err(error) = agreed {
                    prop_assert!(is_a_sentence(&error), "{}", error);
                }
            }
            Err(error) => prop_assert!(is_a_sentence(&error), "{}", error),
        }
    }

    #[test]
    fn a_quoted_cell_is_what_was_written(cell in "[ -~\"é]{0,20}") {
        let quoted = cell.replace('"', "\"\"");
        let text = format!("{HEADER}\"{quoted}\",BACKEND,0,0,UP,1,1,,,,,,\n");
        let table = StatsTable::parse("tcp://lb:1", &text).expect("HAProxy's header");
        prop_assert_eq!(&table.backends[0], &cell);
    }
}
