//! Compares two commits: the commits between them, and the files that differ.

use super::App;
use super::commits::viewed;
use crate::domain::{Actor, Error, ErrorKind, Project, Result};
use crate::git::{ChangedFiles, CommitInfo, Commits, Diff, DiffOptions};

/// Commits listed on either side; the files matter more here.
const LISTED: usize = 50;

/// Two commits compared.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Where it begins; `None`: with nothing.
    pub from: Option<CommitInfo>,
    /// Where it ends.
    pub to: CommitInfo,
    /// The commits that `to` has and `from` has not.
    pub coming: Commits,
    /// The commits that `from` has and `to` has not.
    pub going: Commits,
    /// The files that differ.
    pub diff: Diff,
}

/// Compares two commits (hashes, branches, tags) of a project for somebody who may view it. An empty
/// `from` compares with an empty tree.
///
/// # Errors
/// Not found; forbidden; complaints about the fields `from` and `to`.
pub async fn compare(
    app: &App,
    actor: &Actor,
    project: &str,
    (from, to): (&str, &str),
    options: DiffOptions,
) -> Result<Comparison> {
    let project = viewed(app, actor, project).await?;
    let mirror = app.mirror(&project)?;
    let at = |field: &'static str| {
        move |error: crate::git::Error| match Error::from(error) {
            error if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal) => error,
            error => Error::field(field, error.message()),
        }
    };
    let to = mirror.resolve(to).await.map_err(at("to"))?;
    let from = match from.trim() {
        "" => None,
        from => Some(mirror.resolve(from).await.map_err(at("from"))?),
    };
    let from_id = from.as_ref().map(|from| &from.id);
    let coming = mirror.between(from_id, &to.id, LISTED).await?;
    let going = match from_id {
        Some(from) => mirror.between(Some(&to.id), from, LISTED).await?,
        None => Commits {
            commits: Vec::new(),
            more: false,
        },
    };
    let diff = mirror.diff(from_id, &to.id, options).await?;
    Ok(Comparison {
        from,
        to,
        coming,
        going,
        diff,
    })
}

/// The first `limit` files that differ between two compared commits, without their lines.
pub async fn changed_files(
    app: &App,
    project: &Project,
    compared: &Comparison,
    limit: usize,
) -> Result<ChangedFiles> {
    let from = compared.from.as_ref().map(|from| &from.id);
    Ok(app
        .mirror(project)?
        .changed_files(from, &compared.to.id, limit)
        .await?)
}
