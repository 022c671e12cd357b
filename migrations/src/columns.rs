//! The few kinds of columns, keys and indexes every table is made of.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, string_len, string_len_null, text_null,
};
use sea_orm_migration::sea_orm::{DbBackend, Statement};

/// Longest name of ours (project, server, user …), in characters.
pub const NAME: u32 = 64;
/// Longest branch name, in bytes.
pub const BRANCH: u32 = 240;
/// Longest commit hash, in digits.
pub const COMMIT: u32 = 64;
/// Longest word of a fixed vocabulary (states, kinds).
pub const WORD: u32 = 32;
/// Longest digest, in hexadecimal digits.
pub const DIGEST: u32 = 64;
/// Longest one-line text that nothing is indexed by.
pub const LINE: u32 = 1024;

/// A row's identity, counted up and never used again.
pub fn id() -> ColumnDef {
    big_pk_auto("id")
}

/// A name that must be there.
pub fn name(column: &'static str) -> ColumnDef {
    string_len(column, NAME)
}

/// The name in lower case, which is what has to be unique: “Shop” and “shop” are one name.
pub fn name_key() -> ColumnDef {
    string_len("name_key", NAME)
}

/// A word of a fixed vocabulary.
pub fn word(column: &'static str) -> ColumnDef {
    string_len(column, WORD)
}

/// One line of text.
pub fn line(column: &'static str) -> ColumnDef {
    string_len(column, LINE)
}

/// A text of any length: MariaDB's plain TEXT ends at 64 KiB.
pub fn long_text_null(manager: &SchemaManager<'_>, column: &'static str) -> ColumnDef {
    match manager.get_database_backend() {
        DbBackend::MySql => ColumnDef::new(column).custom("longtext").null().to_owned(),
        _ => text_null(column),
    }
}

/// A commit hash.
pub fn commit(column: &'static str) -> ColumnDef {
    string_len(column, COMMIT)
}

/// A commit hash that may be unknown.
pub fn commit_null(column: &'static str) -> ColumnDef {
    string_len_null(column, COMMIT)
}

/// An instant in microseconds.
pub fn instant(column: &'static str) -> ColumnDef {
    big_integer(column)
}

/// An instant that may not have come.
pub fn instant_null(column: &'static str) -> ColumnDef {
    big_integer_null(column)
}

/// `column` must be a row of `table`, and goes with it.
pub fn owned_by(table: &'static str, column: &'static str, owner: &'static str) -> ForeignKeyCreateStatement {
    key(table, column, owner, ForeignKeyAction::Cascade)
}

/// `column` is a row of `table` for as long as that exists; history outlives it.
pub fn refers_to(
    table: &'static str,
    column: &'static str,
    other: &'static str,
) -> ForeignKeyCreateStatement {
    key(table, column, other, ForeignKeyAction::SetNull)
}

/// `column` must be a row of `other`, which cannot be deleted meanwhile.
pub fn needs(table: &'static str, column: &'static str, other: &'static str) -> ForeignKeyCreateStatement {
    key(table, column, other, ForeignKeyAction::NoAction)
}

fn key(
    table: &'static str,
    column: &'static str,
    other: &'static str,
    on_delete: ForeignKeyAction,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_{column}"))
        .from(table, column)
        .to(other, "id")
        .on_delete(on_delete)
        .to_owned()
}

/// An index over `columns`, in that order.
pub fn index(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create()
        .name(format!("idx_{table}_{}", columns.join("_")))
        .table(table)
        .to_owned();
    for column in columns {
        index.col(*column);
    }
    index
}

/// An index that admits each combination once.
pub fn unique(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index(table, columns).unique().to_owned()
}

/// The character set of every MariaDB table: all of Unicode.
pub const CHARACTER_SET: &str = "utf8mb4";
/// Collations that compare texts byte by byte, the best first: the last one takes texts that differ in
/// blanks at their end for the same. MariaDB has the first, MySQL the second, both have the last.
const BYTE_COLLATIONS: [&str; 3] = ["utf8mb4_nopad_bin", "utf8mb4_0900_bin", "utf8mb4_bin"];

/// The collation of every MariaDB table; `None` on databases that compare byte by byte anyway.
pub async fn byte_collation(manager: &SchemaManager<'_>) -> Result<Option<String>, DbErr> {
    if manager.get_database_backend() != DbBackend::MySql {
        return Ok(None);
    }
    let known =
        "SELECT collation_name FROM information_schema.collations WHERE character_set_name = 'utf8mb4'";
    let statement = Statement::from_string(DbBackend::MySql, known);
    let rows = manager.get_connection().query_all_raw(statement).await?;
    let known = rows
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect::<Result<Vec<String>, _>>()?;
    let best = BYTE_COLLATIONS
        .into_iter()
        .find(|wanted| known.iter().any(|name| name == wanted));
    best.map(|name| Some(name.to_owned()))
        .ok_or_else(|| DbErr::Custom("the database server has no byte-wise collation of utf8mb4".into()))
}

/// Creates tables and indexes in order.
pub async fn create(
    manager: &SchemaManager<'_>,
    tables: Vec<TableCreateStatement>,
    indexes: Vec<IndexCreateStatement>,
) -> Result<(), DbErr> {
    let collation = byte_collation(manager).await?;
    for mut table in tables {
        if let Some(collation) = &collation {
            table.character_set(CHARACTER_SET).collate(collation);
        }
        manager.create_table(table).await?;
    }
    for index in indexes {
        manager.create_index(index).await?;
    }
    Ok(())
}

/// Adds columns to a table. Each is a statement of its own, as SQLite adds one column at a time.
pub async fn add_columns(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: impl IntoIterator<Item = ColumnDef>,
) -> Result<(), DbErr> {
    for column in columns {
        let change = Table::alter().table(table).add_column(column).to_owned();
        manager.alter_table(change).await?;
    }
    Ok(())
}

/// Takes columns away from a table, one at a time.
pub async fn drop_columns(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: impl IntoIterator<Item = ColumnDef>,
) -> Result<(), DbErr> {
    for column in columns {
        let name = column.get_column_name();
        let change = Table::alter().table(table).drop_column(name).to_owned();
        manager.alter_table(change).await?;
    }
    Ok(())
}

/// Drops tables in order.
pub async fn drop(manager: &SchemaManager<'_>, tables: &[&'static str]) -> Result<(), DbErr> {
    for table in tables {
        manager.drop_table(Table::drop().table(*table).to_owned()).await?;
    }
    Ok(())
}
