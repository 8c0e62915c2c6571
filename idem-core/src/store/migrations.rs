//! The lists of migrations, and the migrator that runs them.
//!
//! An applied migration never changes: SQLx stores its checksum and refuses to go on if the text
//! differs, and an application may have copied the text. A change of the schema is a new file, and old
//! builds must still read what it makes, since nodes are replaced one after the other.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The migrations in a folder of `migrations/`: version, description and SQL of each. The first three
/// are those of all databases; the names of others follow the folder.
macro_rules! migrations_in {
    ($folder:literal $(, $version:literal $name:literal)*) => {
        [
            migrations_in!(@ $folder, 1 "record"),
            migrations_in!(@ $folder, 2 "dead_letter"),
            migrations_in!(@ $folder, 3 "rollout"),
            $(migrations_in!(@ $folder, $version $name)),*
        ]
    };
    (@ $folder:literal, $version:literal $name:literal) => {
        (
            $version,
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/migrations/",
                $folder,
                "/000",
                $version,
                "_",
                $name,
                ".sql"
            )),
        )
    };
}
pub(super) use migrations_in;

/// The columns that a migration after the first has added to the table of records.
pub(super) const ADDED_COLUMNS: [&str; 2] = ["refused_until", "tombstone"];

/// The line of a check about a column that is not there.
pub(super) fn missing_column(table: &str, column: &str) -> String {
    format!(
        "the column {column} of {table} is missing: run idem.migrate() or the SQL of the migrations"
    )
}

/// A migrator with a table of its own, apart from that of the application's migrations.
pub(super) fn migrator(
    table: &'static str,
    migrations: &[(i64, &'static str, &'static str)],
) -> Migrator {
    let migrations = migrations.iter().map(|(version, description, sql)| {
        let description = (*description).into();
        Migration::new(
            *version,
            description,
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(table);
    // A newer node of a rolling deploy may have migrated further; its schema stays readable.
    migrator.set_ignore_missing(true);
    migrator
}
