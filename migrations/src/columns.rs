//! The few kinds of columns, keys and indexes every table is made of.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, big_pk_auto, string_len, string_len_null};

/// Longest name of ours (project, server, user …), in characters.
pub const NAME: u32 = 64;
/// Longest branch name, in bytes.
pub const BRANCH: u32 = 240;
/// Longest commit hash, in digits.
pub const COMMIT: u32 = 64;
/// Longest word of a fixed vocabulary (states, kinds).
pub const WORD: u32 = 32;
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

/// Creates tables and indexes in order.
pub async fn create(
    manager: &SchemaManager<'_>,
    tables: Vec<TableCreateStatement>,
    indexes: Vec<IndexCreateStatement>,
) -> Result<(), DbErr> {
    for table in tables {
        manager.create_table(table).await?;
    }
    for index in indexes {
        manager.create_index(index).await?;
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
