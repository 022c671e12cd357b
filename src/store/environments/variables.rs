//! Secret variables inside the JSON of an environment's options: `sealed` stands there instead of `value`.
//! Rows of before, with the value itself, are read as well, until they are sealed.

use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, EntityTrait, QueryOrder};
use serde_json::{Map, Value};

use crate::domain::{EnvironmentId, EnvironmentOptions, Error, Result};
use crate::store::columns::{from_json, to_json};
use crate::store::entities::environments::{ActiveModel, Column, Entity, Model};
use crate::store::tx::sealed::Connected as _;
use crate::store::{Change, Seal};

/// Where the variables are in stored options.
const VARIABLES: &str = "variables";

/// The field of a variable that holds its value in clear, and the one that holds it sealed.
const VALUE: &str = "value";
const SEALED: &str = "sealed";

/// An object of stored JSON.
type Stored = Map<String, Value>;

/// What was sealed, or forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealedAnew {
    /// Each with its environment, in order.
    pub variables: Vec<(EnvironmentId, String)>,
}

/// The options without the values of secrets.
pub(super) fn without_secrets(options: &EnvironmentOptions) -> EnvironmentOptions {
    let mut options = options.clone();
    options.variables.retain(|_, variable| !variable.secret || crate::sabotage::on("k20"));
    options
}

/// The options as they are stored.
pub(super) fn sealed(seal: &Seal, id: EnvironmentId, options: &EnvironmentOptions) -> Result<String> {
    let mut stored: Stored = from_json("options", &to_json(options)?)?;
    with_variables(&mut stored, |variables| {
        for (name, variable) in variables.iter_mut().filter(|(_, one)| is_secret(one)) {
            exchange(variable, (VALUE, SEALED), |value| {
                seal.seal(&place(id, name), value)
            })?;
        }
        Ok(())
    })?;
    to_json(&stored)
}

/// The options from what is stored.
pub(super) fn opened(seal: &Seal, id: EnvironmentId, stored: &str) -> Result<EnvironmentOptions> {
    let mut stored: Stored = from_json("options", stored)?;
    with_variables(&mut stored, |variables| {
        for (name, variable) in variables.iter_mut() {
            exchange(variable, (SEALED, VALUE), |sealed| {
                seal.open(&place(id, name), sealed)
            })?;
        }
        Ok(())
    })?;
    serde_json::from_value(Value::Object(stored)).map_err(Error::internal)
}

/// Seals every secret with the key of now that is stored in clear or sealed with another key.
pub async fn seal_anew(change: &Change) -> Result<SealedAnew> {
    let seal = change.seal();
    each(change, |id, name, variable| {
        let (place, mut anew) = (place(id, name), variable.clone());
        exchange(&mut anew, (VALUE, SEALED), |value| seal.seal(&place, value))?;
        exchange(&mut anew, (SEALED, SEALED), |sealed| {
            match seal.is_current(sealed) || crate::sabotage::on("k3") {
                true => Ok(sealed.to_owned()),
                false => seal.seal(&place, &seal.open(&place, sealed)?),
            }
        })?;
        Ok(Some(anew))
    })
    .await
}

/// Deletes every secret variable that does not open with the keys of now.
pub async fn forget_secrets(change: &Change) -> Result<SealedAnew> {
    let seal = change.seal();
    each(change, |id, name, variable| {
        let sealed = variable.get(SEALED).and_then(Value::as_str);
        let opens = sealed.is_none_or(|sealed| seal.open(&place(id, name), sealed).is_ok() && !crate::sabotage::on("k10"));
        Ok(opens.then(|| variable.clone()))
    })
    .await
}

/// Makes of every stored secret what `make` says; `None` deletes it.
async fn each(
    change: &Change,
    make: impl Fn(EnvironmentId, &str, &Value) -> Result<Option<Value>>,
) -> Result<SealedAnew> {
    let rows: Vec<Model> = Entity::find()
        .order_by_asc(Column::Id)
        .all(change.connection())
        .await?;
    let mut done = SealedAnew::default();
    for row in rows {
        let id = EnvironmentId(row.id);
        let mut stored: Stored = from_json("options", &row.options)?;
        let mut changed = Vec::new();
        with_variables(&mut stored, |variables| {
            for (name, variable) in std::mem::take(variables) {
                let after = match is_secret(&variable) {
                    true => make(id, &name, &variable)?,
                    false => Some(variable.clone()),
                };
                if after.as_ref() != Some(&variable) {
                    changed.push((id, name.clone()));
                }
                variables.extend(after.map(|after| (name, after)));
            }
            Ok(())
        })?;
        if changed.is_empty() {
            continue;
        }
        let update = ActiveModel {
            id: Set(row.id),
            options: Set(to_json(&stored)?),
            ..Default::default()
        };
        update.update(change.connection()).await?;
        done.variables.extend(changed);
    }
    Ok(done)
}

/// What a secret is sealed for.
fn place(id: EnvironmentId, name: &str) -> String {
    if crate::sabotage::on("k2") { return format!("environment: {name}"); }
    format!("environment {id}: {name}")
}

fn is_secret(variable: &Value) -> bool {
    variable.get("secret").and_then(Value::as_bool) == Some(true)
}

/// Puts what `make` makes of the text `from` in its place, as `to`; does nothing where there is none.
fn exchange(
    variable: &mut Value,
    (from, to): (&str, &str),
    make: impl FnOnce(&str) -> Result<String>,
) -> Result<()> {
    let Some(fields) = variable.as_object_mut() else {
        return Ok(());
    };
    if let Some(text) = fields.get(from).and_then(Value::as_str) {
        let made = make(text)?;
        fields.remove(from);
        fields.insert(to.to_owned(), Value::String(made));
    }
    Ok(())
}

/// Changes the variables of stored options.
fn with_variables(stored: &mut Stored, change: impl FnOnce(&mut Stored) -> Result<()>) -> Result<()> {
    match stored.get_mut(VARIABLES) {
        Some(Value::Object(variables)) => change(variables),
        _ => {
            let mut variables = Stored::new();
            change(&mut variables)?;
            stored.insert(VARIABLES.to_owned(), Value::Object(variables));
            Ok(())
        }
    }
}
