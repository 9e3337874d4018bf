//! A module's float parameters by path, such as `layers.3.mlp.up.weight`.
//!
//! Burn knows parameters by an id that is new in every process; what goes to disk goes by path.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Tensor,
};

/// Shows every parameter to `f`: path and values, flat.
pub(crate) fn each(module: &impl Module, f: &mut dyn FnMut(&str, Tensor<1>)) {
    module.visit(&mut Show { path: Vec::new(), f });
}

/// Replaces every parameter by what `f` makes of its path and values, flat.
///
/// The module is consumed so that `f` owns the values alone and may change them in place.
pub(crate) fn replaced<M: Module>(module: M, f: &mut dyn FnMut(&str, Tensor<1>) -> Tensor<1>) -> M {
    module.map(&mut Replace { path: Vec::new(), f })
}

/// Takes the gradients of a module's parameters, by path and flat; those without one are left out.
pub(crate) fn gradients(
    module: &impl Module,
    gradients: GradientsParams,
) -> BTreeMap<String, Tensor<1>> {
    let mut take = Take { path: Vec::new(), gradients, taken: BTreeMap::new() };
    module.visit(&mut take);
    take.taken
}

/// The values of all parameters on the host, by path.
#[cfg(test)]
pub(crate) fn values(module: &impl Module) -> BTreeMap<String, burn::tensor::TensorData> {
    let mut values = BTreeMap::new();
    each(module, &mut |path, x| {
        values.insert(path.to_owned(), x.into_data());
    });
    values
}

fn flat<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let n = x.shape().num_elements();
    x.reshape([n])
}

struct Show<'a> {
    path: Vec<String>,
    f: &'a mut dyn FnMut(&str, Tensor<1>),
}

impl ModuleVisitor for Show<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        (self.f)(&self.path.join("."), flat(param.val()));
    }
}

struct Replace<'a> {
    path: Vec<String>,
    f: &'a mut dyn FnMut(&str, Tensor<1>) -> Tensor<1>,
}

impl ModuleMapper for Replace<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        param.map(|x| {
            let shape = x.shape();
            (self.f)(&path, flat(x)).reshape(shape)
        })
    }
}

struct Take {
    path: Vec<String>,
    gradients: GradientsParams,
    taken: BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Take {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.taken.insert(self.path.join("."), flat(gradient));
        }
    }
}
