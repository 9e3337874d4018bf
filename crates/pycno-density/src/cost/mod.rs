//! What density means in money and hardware: falling prices, growing devices, closing windows.
//!
//! Xiao et al. 2025, [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0):
//! the price of a capability, density times Moore's law, and the corollary that a model with the
//! same score at half the size appears one doubling time later.

mod device;
mod price;
mod window;

pub use device::{CHIP_DOUBLING_DAYS, DEVICE_ASSUMPTIONS, Device, combined_days};
pub use price::{DatedPrice, EndPoints, PriceTrend, record_lows};
pub use window::{BREAK_EVEN_ASSUMPTIONS, BreakEven, Payback, Profit, Venture};
