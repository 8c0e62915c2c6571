//! Chooses the database by the URL's scheme, and connects to it.

use std::process::ExitCode;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::failure::Failure;

/// A command and the database that it is for.
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    expect(dead_code, reason = "no database is chosen")
)]
pub(crate) struct Target<'a> {
    pub(crate) database_url: Option<&'a str>,
    /// How long to wait for a connection.
    pub(crate) connect_timeout: Duration,
    pub(crate) arguments: &'a Arguments,
}

/// Runs the command on the database of the URL.
pub(crate) async fn connect_and_run(target: &Target<'_>) -> Result<ExitCode, Failure> {
    let url = target
        .database_url
        .filter(|url| !url.is_empty())
        .ok_or_else(|| {
            Failure::Usage("no database: set DATABASE_URL, or give --database-url".to_owned())
        })?;
    // Never the rest of the URL: it has the password.
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme {
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => on::postgres(url, target).await,
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => Err(built_without("postgres")),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => on::mysql(url, target).await,
        #[cfg(not(feature = "mysql"))]
        "mysql" | "mariadb" => Err(built_without("mysql")),
        #[cfg(feature = "sqlite")]
        "sqlite" => on::sqlite(url, target).await,
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(built_without("sqlite")),
        _ => Err(Failure::Usage(
            "the database URL begins with none of postgres:, mysql: and sqlite:".to_owned(),
        )),
    }
}

#[cfg_attr(
    all(feature = "postgres", feature = "mysql", feature = "sqlite"),
    expect(dead_code, reason = "all are there")
)]
fn built_without(feature: &str) -> Failure {
    Failure::Usage(format!(
        "this program was built without the feature {feature}: \
         cargo install idem-cli --features {feature}"
    ))
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod on {
    use std::process::ExitCode;
    use std::str::FromStr;
    use std::time::Duration;

    use idem_core::{Backend, Idempotency, Inbox};
    use sqlx::pool::PoolOptions;
    use sqlx::{ConnectOptions, Connection};
    use tokio::time::timeout;

    use super::Target;
    use crate::commands::run;
    use crate::failure::Failure;

    #[cfg(feature = "postgres")]
    pub(super) async fn postgres(url: &str, target: &Target<'_>) -> Result<ExitCode, Failure> {
        let mut options: sqlx::postgres::PgConnectOptions = parse(url)?;
        if options.get_application_name().is_none() {
            options = options.application_name("idem");
        }
        operate::<sqlx::Postgres>(options, target).await
    }

    #[cfg(feature = "mysql")]
    pub(super) async fn mysql(url: &str, target: &Target<'_>) -> Result<ExitCode, Failure> {
        let options: sqlx::mysql::MySqlConnectOptions = parse(url)?;
        operate::<sqlx::MySql>(options, target).await
    }

    #[cfg(feature = "sqlite")]
    pub(super) async fn sqlite(url: &str, target: &Target<'_>) -> Result<ExitCode, Failure> {
        let mut options: sqlx::sqlite::SqliteConnectOptions = parse(url)?;
        if !target.arguments.may_create() {
            // Whatever the URL says: a typing error in it must not look like an empty database.
            options = options.create_if_missing(false);
        }
        operate::<sqlx::Sqlite>(options, target).await
    }

    fn parse<O: FromStr<Err = sqlx::Error>>(url: &str) -> Result<O, Failure> {
        let options = url.parse();
        options.map_err(|error| Failure::Usage(format!("the database URL is wrong: {error}")))
    }

    async fn operate<DB: Backend>(
        options: <DB::Connection as Connection>::Options,
        target: &Target<'_>,
    ) -> Result<ExitCode, Failure> {
        let limit = target.connect_timeout;
        let options = options.disable_statement_logging();
        // A pool tries a server that refuses it until its time is over, and then does not say why.
        match timeout(limit, options.connect()).await {
            Ok(connected) => drop(connected.map_err(unusable)?.close().await),
            Err(_) => return Err(no_answer(limit)),
        }
        let pool = PoolOptions::<DB>::new().max_connections(CONNECTIONS);
        // A connection that takes its time is what the operator has allowed, and no line of the log.
        let pool = pool.acquire_timeout(limit).acquire_slow_threshold(limit);
        let pool = pool.connect_lazy_with(options);
        let idem = Idempotency::builder(pool.clone()).acquire_timeout(limit);
        let inbox = Inbox::new(idem.build());
        let code = run(&inbox, target.arguments).await;
        pool.close().await;
        Ok(code)
    }

    /// The database cannot be used, with a cure if one is known.
    #[derive(Debug, thiserror::Error)]
    #[error("the database cannot be used{cure}")]
    struct Unusable {
        cure: &'static str,
        source: sqlx::Error,
    }

    /// One that works, and one to look up what became of a COMMIT.
    const CONNECTIONS: u32 = 2;

    fn no_answer(limit: Duration) -> Failure {
        let limit = humantime::format_duration(limit);
        Failure::Failed(format!("the database cannot be used: no answer within {limit}").into())
    }

    fn unusable(error: sqlx::Error) -> Failure {
        let cure = if is_missing_file(&error) {
            " (`migrate` creates the file if the URL ends with ?mode=rwc)"
        } else if cfg!(not(feature = "tls")) && may_demand_tls(&error) {
            " (if it demands TLS: cargo install idem-cli --features tls)"
        } else {
            ""
        };
        let source = error;
        Failure::Failed(Unusable { cure, source }.into())
    }

    /// `SQLITE_CANTOPEN`.
    fn is_missing_file(error: &sqlx::Error) -> bool {
        let error = error.as_database_error();
        error.is_some_and(|error| error.code().as_deref() == Some("14"))
    }

    /// Whether the URL or the server may have refused a connection without TLS.
    fn may_demand_tls(error: &sqlx::Error) -> bool {
        let sqlx::Error::Database(error) = error else {
            return matches!(error, sqlx::Error::Tls(_));
        };
        #[cfg(feature = "mysql")]
        if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
            // ER_SECURE_TRANSPORT_REQUIRED
            return error.number() == 3159;
        }
        // PostgreSQL: no line of pg_hba.conf accepts it.
        error.code().as_deref() == Some("28000")
    }
}
