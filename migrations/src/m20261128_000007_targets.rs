//! A deployment's target as columns that refer to rows: ids decide, the name is for reading.
//!
//! The JSON column of before stays and is written too, for a version that knows nothing else and
//! works beside this one. Rows that such a version adds have no kind here.

use std::collections::BTreeMap;

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, string_len_null};
use serde::Deserialize;

use crate::columns::*;

pub struct Change;

/// How many rows are read and changed at once; databases limit the parameters of a statement.
const ROWS_AT_ONCE: u64 = 500;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000007_targets"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, "deployments", columns(manager)).await?;
        fill(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_columns(manager, "deployments", columns(manager)).await
    }
}

fn columns(manager: &SchemaManager<'_>) -> Vec<ColumnDef> {
    vec![
        string_len_null("target_kind", WORD),
        big_integer_null("target_cluster_id"),
        big_integer_null("target_server_id"),
        long_text_null(manager, "target_server_ids"),
        long_text_null(manager, "target_name"),
    ]
}

/// A target as the JSON column has it.
#[derive(Deserialize)]
struct Target {
    kind: String,
    id: Option<i64>,
    name: Option<String>,
    #[serde(default)]
    ids: Vec<i64>,
    #[serde(default)]
    names: Vec<String>,
}

impl Target {
    /// The values of the new columns, in their order.
    fn values(self) -> [SimpleExpr; 5] {
        let only = |kind: &str| self.id.filter(|_| self.kind == kind);
        let (cluster, server) = (only("cluster"), only("server"));
        let mut servers: Vec<(i64, String)> = self.ids.into_iter().zip(self.names).collect();
        servers.sort();
        let (ids, names): (Vec<String>, Vec<String>) = servers
            .into_iter()
            .map(|(id, name)| (id.to_string(), name))
            .unzip();
        let is_several = !ids.is_empty();
        let name = match is_several {
            true => Some(names.join(" ")),
            false => self.name,
        };
        [
            Expr::value(self.kind),
            Expr::value(cluster),
            Expr::value(server),
            Expr::value(is_several.then(|| ids.join(" "))),
            Expr::value(name),
        ]
    }
}

/// Brings what the JSON column says into the new ones.
async fn fill(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let mut last = 0;
    loop {
        let some = Query::select()
            .columns(["id", "target"])
            .from("deployments")
            .and_where(Expr::col("id").gt(last))
            .order_by("id", Order::Asc)
            .limit(ROWS_AT_ONCE)
            .to_owned();
        let mut alike: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for row in db.query_all(&some).await? {
            last = row.try_get_by_index(0)?;
            alike.entry(row.try_get_by_index(1)?).or_default().push(last);
        }
        if alike.is_empty() {
            return Ok(());
        }
        for (text, ids) in alike {
            let target: Target = serde_json::from_str(&text)
                .map_err(|cause| DbErr::Custom(format!("deployment {}: target {text}: {cause}", ids[0])))?;
            let names = columns(manager)
                .into_iter()
                .map(|column| column.get_column_name());
            let change = Query::update()
                .table("deployments")
                .values(names.map(Alias::new).zip(target.values()))
                .and_where(Expr::col("id").is_in(ids))
                .to_owned();
            db.execute(&change).await?;
        }
    }
}
