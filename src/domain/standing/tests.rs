//! Every sentence that can be said of a server, read as a whole and by rules.

use super::*;

const NEW: &str = "2222222222222222222222222222222222222222";
const OLD: &str = "1111111111111111111111111111111111111111";
const CAUSE: &str = "The step ended with exit code 3.";
/// A sentence that nobody has to read twice.
const LONGEST: usize = 220;

/// Every value that the store can hold, once for each that is told apart; with a cause and without.
fn all() -> Vec<ServerStanding> {
    let mut all: Vec<ServerStanding> = Vec::new();
    let befores = || std::iter::once(None).chain(ServiceBefore::ALL.iter().copied().map(Some));
    for cause in ["", CAUSE] {
        for on in OnServer::all() {
            for before in befores() {
                for &service in Service::ALL {
                    let one = ServerStanding::new(on, service, before, cause);
                    if !all.contains(&one) {
                        all.push(one);
                    }
                }
            }
        }
    }
    all
}

fn sentences(one: &ServerStanding) -> [String; 2] {
    let (new, old) = (NEW.parse().unwrap(), OLD.parse().unwrap());
    [one.sentence(&new, Some(&old)), one.sentence(&new, None)]
}

#[test]
fn every_sentence_was_read() {
    let mut told: Vec<String> = Vec::new();
    for one in all() {
        for sentence in sentences(&one) {
            if !told.contains(&sentence) {
                told.push(sentence);
            }
        }
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn no_sentence_contradicts_or_repeats_itself() {
    let serving = ["is back in service", "was not taken out of service"];
    let out = ["is out of service", "stays out of service"];
    let between = ["being taken out", "being put back", "may be in service"];
    let helping = ["eploy again", "roll back", "ook at the"];
    for one in all() {
        for text in sentences(&one) {
            let count = |words: &[&str]| words.iter().map(|word| text.matches(word).count()).sum::<usize>();
            assert!(count(&serving) + count(&out) + count(&between) <= 1, "{text}");
            let helps = text.matches("eploy again").count();
            assert!(helps <= 1 && count(&helping) <= 2, "{text}");
            let is_clear = text.starts_with(|first: char| first.is_uppercase())
                && text.ends_with('.')
                && !text.contains("  ")
                && !text.contains("..")
                && !text.contains(" .");
            assert!(is_clear, "{text}");
            assert!(text.len() <= LONGEST, "{}: {text}", text.len());
            for sentence in text.split_inclusive(". ") {
                assert_eq!(text.matches(sentence.trim()).count(), 1, "{text}");
            }
        }
    }
}

#[test]
fn what_serves_with_files_that_must_not_is_never_said_to_be_well() {
    for one in all() {
        let must_not = !one.on().is_old() && !matches!(one.on(), OnServer::New);
        if must_not {
            assert_ne!(one.help(true), Help::Nothing, "{one:?}");
            let is_unmoved = one.traffic() == Traffic::Unmoved;
            assert!(!is_unmoved || one.on() == OnServer::LeftMixed, "{one:?}");
        }
    }
}

#[test]
fn what_is_stored_is_read_again() {
    for on in OnServer::all() {
        let (word, step) = on.as_words();
        assert_eq!(OnServer::parse(word, step), Some(on));
    }
    assert_eq!(OnServer::parse("failed", None), None);
    assert_eq!(OnServer::parse("new", Some("tests")), None);
}

#[test]
fn endpoints_that_differ_are_named_with_what_helps() {
    let split = Split {
        inside: vec!["tcp://lb2:1".to_owned()],
        outside: vec!["tcp://lb1:1".to_owned()],
    };
    let out = ServerStanding::new(OnServer::Failed(Trial::Deploy), Service::Out, None, CAUSE);
    let [told, _] = sentences(&out.split_over(Some(split.clone())));
    assert_eq!(
        told,
        "The step ended with exit code 3. It runs 22222222 and is in service at tcp://lb2:1, where someone put it \
         back, and out of service at tcp://lb1:1. Deploy again, or put it back or take it out at all endpoints, on \
         the balancer's page."
    );
    let back = ServerStanding::new(OnServer::New, Service::Back, None, "").split_over(Some(split));
    assert_eq!(sentences(&back)[0], "It runs 22222222 and is back in service.");
}
