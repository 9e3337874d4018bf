//! Operations on host memory with a gradient written by hand, hung into Burn's flex backend and its tape.
//!
//! Burn composes attention, norms and activations of one-threaded passes over memory. An operation here
//! takes and gives whole tensors, and says itself what its gradient needs.

use std::{fmt::Debug, sync::Arc};

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::Tensor,
};

/// An operation of `N` tensors on host memory.
pub(crate) trait HostOp<const N: usize>: Debug + Send + Sync + 'static {
    /// The output and what [`HostOp::backward`] wants to see again, which may be nothing unless `tracked`.
    fn forward(&self, inputs: [FlexTensor; N], tracked: bool) -> (FlexTensor, Vec<FlexTensor>);

    /// The gradient by each input, given that by the output; only those `wanted` are used.
    fn backward(
        &self,
        kept: Vec<FlexTensor>,
        gradient: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

/// An operation as Burn's dispatch carries it.
pub(crate) type SharedOp<const N: usize> = Arc<dyn HostOp<N>>;

/// Runs an operation of one tensor; the output's rank is that of the operation.
pub(crate) fn run_1<const A: usize, const D: usize>(op: impl HostOp<1>, x: Tensor<A>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as HostExtension>::host_1(x.into_dispatch(), Arc::new(op)))
}

/// Runs an operation of two tensors.
pub(crate) fn run_2<const A: usize, const B: usize, const D: usize>(
    op: impl HostOp<2>,
    x: Tensor<A>,
    y: Tensor<B>,
) -> Tensor<D> {
    let (x, y) = (x.into_dispatch(), y.into_dispatch());
    Tensor::from_dispatch(<Dispatch as HostExtension>::host_2(x, y, Arc::new(op)))
}

/// Runs an operation of a tensor and two others of one rank.
pub(crate) fn run_3<const A: usize, const B: usize, const D: usize>(
    op: impl HostOp<3>,
    x: Tensor<A>,
    [y, z]: [Tensor<B>; 2],
) -> Tensor<D> {
    let (x, y, z) = (x.into_dispatch(), y.into_dispatch(), z.into_dispatch());
    Tensor::from_dispatch(<Dispatch as HostExtension>::host_3(x, y, z, Arc::new(op)))
}

/// Runs an operation of a tensor and three matrices.
pub(crate) fn run_4<const A: usize, const D: usize>(
    op: impl HostOp<4>,
    x: Tensor<A>,
    [y, z, w]: [Tensor<2>; 3],
) -> Tensor<D> {
    let (x, y) = (x.into_dispatch(), y.into_dispatch());
    let (z, w) = (z.into_dispatch(), w.into_dispatch());
    Tensor::from_dispatch(<Dispatch as HostExtension>::host_4(x, y, z, w, Arc::new(op)))
}

/// Burn's way in; one method an arity, since its dispatch knows no arrays of tensors.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait HostExtension: Backend {
    fn host_1(x: FloatTensor<Self>, op: SharedOp<1>) -> FloatTensor<Self>;
    fn host_2(x: FloatTensor<Self>, y: FloatTensor<Self>, op: SharedOp<2>) -> FloatTensor<Self>;
    fn host_3(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
        op: SharedOp<3>,
    ) -> FloatTensor<Self>;
    fn host_4(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
        w: FloatTensor<Self>,
        op: SharedOp<4>,
    ) -> FloatTensor<Self>;
}

impl HostExtension for Flex {
    fn host_1(x: FlexTensor, op: SharedOp<1>) -> FlexTensor {
        op.forward([x], false).0
    }

    fn host_2(x: FlexTensor, y: FlexTensor, op: SharedOp<2>) -> FlexTensor {
        op.forward([x, y], false).0
    }

    fn host_3(x: FlexTensor, y: FlexTensor, z: FlexTensor, op: SharedOp<3>) -> FlexTensor {
        op.forward([x, y, z], false).0
    }

    fn host_4(
        x: FlexTensor,
        y: FlexTensor,
        z: FlexTensor,
        w: FlexTensor,
        op: SharedOp<4>,
    ) -> FlexTensor {
        op.forward([x, y, z, w], false).0
    }
}

impl<C: CheckpointStrategy> HostExtension for Autodiff<Flex, C> {
    fn host_1(x: FloatTensor<Self>, op: SharedOp<1>) -> FloatTensor<Self> {
        tracked::<1, C>([x], op)
    }

    fn host_2(x: FloatTensor<Self>, y: FloatTensor<Self>, op: SharedOp<2>) -> FloatTensor<Self> {
        tracked::<2, C>([x, y], op)
    }

    fn host_3(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
        op: SharedOp<3>,
    ) -> FloatTensor<Self> {
        tracked::<3, C>([x, y, z], op)
    }

    fn host_4(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
        w: FloatTensor<Self>,
        op: SharedOp<4>,
    ) -> FloatTensor<Self> {
        tracked::<4, C>([x, y, z, w], op)
    }
}

fn tracked<const N: usize, C: CheckpointStrategy>(
    inputs: [FloatTensor<Autodiff<Flex, C>>; N],
    op: SharedOp<N>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let nodes = inputs.each_ref().map(FloatTensor::<Autodiff<Flex, C>>::node);
    let inputs = inputs.map(FloatTensor::<Autodiff<Flex, C>>::into_primitive);
    match OnTape.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (output, kept) = op.forward(inputs, true);
            prepared.finish((op, kept), output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(op.forward(inputs, false).0),
    }
}

/// The step on the tape.
#[derive(Debug)]
struct OnTape;

impl<const N: usize> Backward<Flex, N> for OnTape {
    type State = (SharedOp<N>, Vec<FlexTensor>);

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let Ops { parents, node, state: (op, kept) } = ops;
        let gradient = gradients.consume::<Flex>(&node);
        let wanted = parents.each_ref().map(Option::is_some);
        let found = op.backward(kept, gradient, wanted);
        for (parent, found) in parents.into_iter().zip(found) {
            if let (Some(parent), Some(found)) = (parent, found) {
                gradients.register::<Flex>(parent.id, found);
            }
        }
    }
}
