//! The words of the domain (states, kinds, actions) as values of the API: the document lists each of them.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type};
use serde_json::Value;

use crate::app::balancers::ByHand;
use crate::domain::health::AskedFrom;
use crate::domain::{
    Action, Answer, DeploymentState, Kind, Outcome, Phase, ServerState, StepKind, StepState, SyncMethod,
    TokenState, WhenRefused,
};

/// A domain's enum whose values are words.
pub trait WordList: Copy + Send + Sync + 'static {
    /// What the document calls it.
    const NAME: &'static str;

    /// Every value, in order.
    fn all() -> Vec<Self>;

    /// The value as requests and answers write it.
    fn word(self) -> &'static str;

    /// The reverse of [`Self::word`].
    fn read(text: &str) -> Option<Self> {
        Self::all().into_iter().find(|one| one.word() == text)
    }
}

macro_rules! vocabularies {
    ($($kind:ident,)*) => {$(
        impl WordList for $kind {
            const NAME: &'static str = stringify!($kind);

            fn all() -> Vec<Self> {
                Self::ALL.to_vec()
            }

            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    )*};
}

vocabularies! {
    Action,
    Answer,
    AskedFrom,
    DeploymentState,
    Kind,
    Outcome,
    Phase,
    ServerState,
    StepKind,
    StepState,
    SyncMethod,
    TokenState,
    WhenRefused,
}

impl WordList for ByHand {
    const NAME: &'static str = "BalancerAct";

    fn all() -> Vec<Self> {
        vec![Self::Drain, Self::Maint, Self::Ready]
    }

    fn word(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Maint => "maint",
            Self::Ready => "ready",
        }
    }
}

/// One value of a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<V>(pub V);

impl<V: WordList> Type for Word<V> {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;

    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        V::NAME.into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            enum_items: V::all().into_iter().map(|one| one.word().into()).collect(),
            ..MetaSchema::new("string")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

fn parse<V: WordList>(text: &str) -> ParseResult<Word<V>> {
    V::read(text)
        .map(Word)
        .ok_or_else(|| ParseError::custom("no such word"))
}

impl<V: WordList> ParseFromJSON for Word<V> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        parse(value.as_ref().and_then(Value::as_str).unwrap_or_default())
    }
}

impl<V: WordList> ParseFromParameter for Word<V> {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        parse(text)
    }
}

impl<V: WordList> ToJSON for Word<V> {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.word().into())
    }
}
