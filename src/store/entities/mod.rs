//! The tables as sea-orm sees them. The migrations describe the columns. Nothing outside the store
//! sees these types.
//!
//! The macro writes what all tables have in common. Relations are not declared: queries join where
//! they need to, and the foreign keys are in the schema.

macro_rules! entity {
    ($module:ident, $table:literal { $($(#[$attribute:meta])* $field:ident: $kind:ty,)* }) => {
        pub mod $module {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                $($(#[$attribute])* pub $field: $kind,)*
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

mod arrivals;
mod inventory;
mod people;
mod work;

pub use arrivals::*;
pub use inventory::*;
pub use people::*;
pub use work::*;
