//! All figures of a run, as they are written to a file.

use std::env::consts::{ARCH, OS};
use std::fmt;
use std::io;
use std::thread;

use serde::{Deserialize, Serialize};

use super::{CountedTable, LoadTable, StormTable, Table};
use crate::options::Plan;

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Document {
    pub(crate) machine: Machine,
    pub(crate) plan: Plan,
    pub(crate) databases: Vec<Product>,
    pub(crate) timed: Vec<Table>,
    pub(crate) counted: Vec<CountedTable>,
    pub(crate) storms: Vec<StormTable>,
    #[serde(default)]
    pub(crate) loads: Vec<LoadTable>,
    pub(crate) notes: Vec<String>,
}

/// A database that was measured.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Product {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The day of the run, in UTC.
    pub(crate) date: String,
}

/// What ran all of it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    os: String,
    architecture: String,
    is_debug_build: bool,
}

impl Document {
    pub(super) fn new(plan: Plan) -> io::Result<Self> {
        Ok(Self {
            machine: Machine {
                cores: thread::available_parallelism()?.get(),
                os: OS.to_owned(),
                architecture: ARCH.to_owned(),
                is_debug_build: cfg!(debug_assertions),
            },
            plan,
            databases: Vec::new(),
            timed: Vec::new(),
            counted: Vec::new(),
            storms: Vec::new(),
            loads: Vec::new(),
            notes: Vec::new(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cores,
            os,
            architecture,
            is_debug_build,
        } = self;
        let build = match is_debug_build {
            true => "a debug build, which measures nothing of use",
            false => "a release build",
        };
        write!(f, "{cores} cores, {os}, {architecture}, {build}")
    }
}
