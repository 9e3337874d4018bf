//! `pycno cost`: falling prices, growing devices, closing windows.

mod moore;
mod prices;
mod window;

use pycno_density::{BREAK_EVEN_ASSUMPTIONS, DEVICE_ASSUMPTIONS};
use serde_json::json;

use super::{assumed, show, show_json};
use crate::args::CostArguments;

pub(crate) fn cost(arguments: &CostArguments) -> anyhow::Result<()> {
    let prices = arguments.prices.as_deref().map(prices::fit).transpose()?;
    let growth = moore::Growth::of(arguments)?;
    let window = growth.as_ref().map(|growth| window::of(arguments, growth)).transpose()?.flatten();
    if arguments.training_usd.is_some() && growth.is_none() {
        anyhow::bail!("--training-usd needs a doubling time: --trend or --doubling-days");
    }
    if arguments.json {
        return show_json(&json!({
            "prices": prices.as_ref().map(prices::document),
            "devices": growth.as_ref().map(moore::document).transpose()?,
            "break_even": window.as_ref().map(window::document),
        }));
    }
    let mut parts = Vec::new();
    parts.extend(prices.as_ref().map(prices::readable));
    if let Some(growth) = &growth {
        parts.push(moore::readable(growth)? + &assumed(&DEVICE_ASSUMPTIONS));
    }
    parts.extend(window.as_ref().map(|one| {
        window::readable(one, arguments.trend.is_some()) + &assumed(&BREAK_EVEN_ASSUMPTIONS)
    }));
    show(&parts.join("\n"))?;
    Ok(())
}
