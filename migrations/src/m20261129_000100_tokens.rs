//! Keeps for whom and by whom an API token was made and where it was last used, and the token by which
//! a deployment was requested.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::string_len_null;

use crate::columns::*;

const TOKENS: &str = "tokens";
const DEPLOYMENTS: &str = "deployments";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000100_tokens"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, TOKENS, of_tokens()).await?;
        add_columns(manager, DEPLOYMENTS, [of_deployments(manager)]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_columns(manager, DEPLOYMENTS, [of_deployments(manager)]).await?;
        drop_columns(manager, TOKENS, of_tokens()).await
    }
}

/// Nullable, because an older version that runs beside this one does not write them.
fn of_tokens() -> [ColumnDef; 4] {
    [
        string_len_null("account", NAME),
        string_len_null("hint", WORD),
        string_len_null("made_by", LINE),
        string_len_null("last_used_from", LINE),
    ]
}

fn of_deployments(manager: &SchemaManager<'_>) -> ColumnDef {
    long_text_null(manager, "actor_token")
}
