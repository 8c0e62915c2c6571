//! The operator's command as a program, on every database.

#![allow(
    clippy::duplicate_mod,
    reason = "the cases are compiled once per database"
)]
#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[cfg(feature = "sqlite")]
#[path = "."]
mod sqlite {
    use idem_tests::sqlite::{Db, FEATURE, TestDb, age_records};

    /// A database that is not there, and what is wrong with it.
    const NO_DATABASE: (&str, &str) = ("sqlite:///no/such/folder/x.db", "unable to open");
    /// A URL of which only the rest is wrong.
    const WRONG_URL: &str = "sqlite://x.db?mode=no-such-mode";
    /// With what the names of Idem's tables begin.
    const TABLES: &str = "idem_";

    #[path = "cli/dead_letters.rs"]
    mod dead_letters;
    #[path = "cli/errors.rs"]
    mod errors;
    #[path = "cli/records.rs"]
    mod records;
    #[path = "cli/removal.rs"]
    mod removal;
    #[path = "cli/rollout.rs"]
    mod rollout;
    #[path = "cli/schema.rs"]
    mod schema;
    #[path = "cli/service.rs"]
    mod service;
    #[cfg(target_os = "linux")]
    #[path = "cli/terminal.rs"]
    mod terminal;
    #[path = "cli/unusual_names.rs"]
    mod unusual_names;
}

#[cfg(all(feature = "postgres", not(idem_no_postgres)))]
#[path = "."]
mod postgres {
    use idem_tests::postgres::{Db, FEATURE, TestDb, age_records};
    use sqlx::AssertSqlSafe;

    use super::name_of;

    const NO_DATABASE: (&str, &str) = ("postgres://u:secret@127.0.0.1:1/x", "refused");
    const WRONG_URL: &str = "postgres://u:secret@127.0.0.1:port/x";
    const TABLES: &str = "idem.";

    /// The URL of an account that may only read.
    async fn url_of_reader(db: &TestDb) -> String {
        let name = name_of(&db.url());
        let role = format!("reader_{name}");
        let statements = format!(
            "create role {role} login password 'idem'; grant usage on schema idem to {role}; \
             grant select on all tables in schema idem to {role}"
        );
        let statements = sqlx::raw_sql(AssertSqlSafe(statements));
        statements.execute(&db.pool_of(1).await).await.unwrap();
        db.url().replace("postgres:idem@", &format!("{role}:idem@"))
    }

    async fn forget_reader(db: &TestDb) {
        let name = name_of(&db.url());
        let drop = format!("drop owned by reader_{name}; drop role reader_{name}");
        let drop = sqlx::raw_sql(AssertSqlSafe(drop));
        drop.execute(&db.pool_of(1).await).await.unwrap();
    }

    #[path = "cli/dead_letters.rs"]
    mod dead_letters;
    #[path = "cli/errors.rs"]
    mod errors;
    #[path = "cli/records.rs"]
    mod records;
    #[path = "cli/removal.rs"]
    mod removal;
    #[path = "cli/rollout.rs"]
    mod rollout;
    #[path = "cli/schema.rs"]
    mod schema;
    #[path = "cli/server.rs"]
    mod server;
    #[path = "cli/service.rs"]
    mod service;
    #[cfg(target_os = "linux")]
    #[path = "cli/terminal.rs"]
    mod terminal;
    #[path = "cli/unusual_names.rs"]
    mod unusual_names;
}

#[cfg(all(feature = "mysql", not(idem_no_mysql)))]
#[path = "."]
mod mysql {
    use idem_tests::mysql::{Db, FEATURE, TestDb, age_records};
    use sqlx::AssertSqlSafe;

    use super::name_of;

    const NO_DATABASE: (&str, &str) = ("mysql://u:secret@127.0.0.1:1/x", "refused");
    const WRONG_URL: &str = "mysql://u:secret@127.0.0.1:port/x";
    const TABLES: &str = "idem_";

    /// The URL of an account that may only read.
    async fn url_of_reader(db: &TestDb) -> String {
        let (name, reader) = names(db);
        let statements = format!(
            "create user {reader} identified by 'idem'; grant select on {name}.* to {reader}"
        );
        let statements = sqlx::raw_sql(AssertSqlSafe(statements));
        statements.execute(&db.pool_of(1).await).await.unwrap();
        db.url().replace("root:idem@", &format!("{reader}:idem@"))
    }

    async fn forget_reader(db: &TestDb) {
        let drop = sqlx::raw_sql(AssertSqlSafe(format!("drop user {}", names(db).1)));
        drop.execute(&db.pool_of(1).await).await.unwrap();
    }

    /// The name of the database, and of its reader: MySQL's accounts have at most 32 characters.
    fn names(db: &TestDb) -> (String, String) {
        let name = name_of(&db.url());
        let reader = format!("r{}", &name[name.len() - 30..]);
        (name, reader)
    }

    #[path = "cli/dead_letters.rs"]
    mod dead_letters;
    #[path = "cli/errors.rs"]
    mod errors;
    #[path = "cli/records.rs"]
    mod records;
    #[path = "cli/removal.rs"]
    mod removal;
    #[path = "cli/rollout.rs"]
    mod rollout;
    #[path = "cli/schema.rs"]
    mod schema;
    #[path = "cli/server.rs"]
    mod server;
    #[path = "cli/service.rs"]
    mod service;
    #[cfg(target_os = "linux")]
    #[path = "cli/terminal.rs"]
    mod terminal;
    #[path = "cli/unusual_names.rs"]
    mod unusual_names;
}

/// The name of the database at a URL.
#[cfg(any(
    all(feature = "postgres", not(idem_no_postgres)),
    all(feature = "mysql", not(idem_no_mysql))
))]
fn name_of(url: &str) -> String {
    let url = url.split('?').next().unwrap_or(url);
    let (_, name) = url.rsplit_once('/').unwrap();
    name.to_owned()
}
