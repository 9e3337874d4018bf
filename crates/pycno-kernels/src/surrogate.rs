//! A scalar that stands for a loss computed elsewhere.

use burn::{backend::flex::FlexTensor, tensor::Tensor};

use crate::{
    extension::{HostOp, run_2},
    host::{dense, flex, fusable, slice, slice_mut},
};

/// A scalar whose gradient by `x` is the given one, so that a tape can go on behind a loss whose gradient is
/// known already. Its value means nothing.
///
/// # Shapes
///
/// - `gradient`: as `x`, plain
///
/// # Panics
///
/// If the shapes differ.
pub fn surrogate(x: Tensor<3>, gradient: Tensor<3>) -> Tensor<1> {
    assert_eq!(x.dims(), gradient.dims(), "a gradient for every value");
    let gradient = Tensor::from_inner(gradient);
    if fusable(&x) { run_2(Surrogate, x, gradient) } else { (x * gradient).sum() }
}

/// Inputs: `x` and the gradient by it.
#[derive(Debug)]
struct Surrogate;

impl HostOp<2> for Surrogate {
    fn forward(&self, [_, given]: [FlexTensor; 2], tracked: bool) -> (FlexTensor, Vec<FlexTensor>) {
        (flex(vec![0.0], [1]), if tracked { vec![given] } else { Vec::new() })
    }

    fn backward(
        &self,
        kept: Vec<FlexTensor>,
        gradient: FlexTensor,
        _: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let factor = slice(&dense(gradient))[0];
        let found = kept.into_iter().next().map(|given| {
            let mut given = dense(given);
            // A loss that is not scaled afterwards hands its gradient on untouched.
            if (factor - 1.0).abs() > 0.0 {
                scale(slice_mut(&mut given), factor);
            }
            given
        });
        [found, None]
    }
}

fn scale(values: &mut [f32], factor: f32) {
    for x in values {
        *x *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check, noise::Noise};

    #[test]
    fn the_given_gradient_reaches_the_input_scaled_as_the_loss_is() {
        let mut noise = Noise::new(2);
        let (x, given) = (noise.tensor([2, 3, 4], 1.0), noise.tensor([2, 3, 4], 1.0));
        for factor in [1.0, -0.5] {
            let leaf = x.clone().autodiff().require_grad();
            let loss = surrogate(leaf.clone() * 3.0, given.clone()) * factor;
            let mut tape = loss.backward();
            let found = leaf.grad_remove(&mut tape).unwrap();
            check::near(found, given.clone() * (3.0 * factor), 1e-6);
        }
    }
}
