//! Keeps who last gave an account a password that is not its own choice, and whether that has to be
//! changed at the next login.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{boolean_null, string_len_null};

use crate::columns::*;

const TABLE: &str = "users";
/// Nullable, because an older version that runs beside this one does not write them.
const GIVEN_BY: &str = "password_given_by";
const GIVEN_AT: &str = "password_given_at";
const MUST_CHANGE: &str = "must_change_password";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000013_passwords"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, TABLE, columns()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_columns(manager, TABLE, columns()).await
    }
}

fn columns() -> [ColumnDef; 3] {
    [
        string_len_null(GIVEN_BY, LINE),
        instant_null(GIVEN_AT),
        boolean_null(MUST_CHANGE),
    ]
}
