use serde::{Deserialize, Serialize};

use crate::json::Validate;

#[derive(Debug, Deserialize)]
pub(crate) struct NewOrder {
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: i64,
}

impl Validate for NewOrder {
    fn validate(&self) -> Result<(), &'static str> {
        if self.lines.is_empty() {
            return Err("an order has at least one line");
        }
        if self
            .lines
            .iter()
            .any(|line| !(1..=100).contains(&line.quantity))
        {
            return Err("a quantity is between 1 and 100");
        }
        Ok(())
    }
}

#[derive(Debug, Serialize, sqlx::FromRow)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) total: i64,
    pub(crate) status: String,
}
