//! What a router and layers attach to a request: the route's parameters, and values of any type.

use std::any::{Any, TypeId};

use crate::request::Request;
use crate::router::Matched;

/// Empty ones take no memory of their own; what was taken is used again with the request.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) matched: Matched,
    values: Vec<(TypeId, Box<dyn Any>)>,
}

impl Extras {
    /// Lets go of everything but the memory.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.matched.clear();
        if !self.values.is_empty() {
            self.values.clear();
        }
    }
}

/// Values of the request's own: what a layer has found out, for the handler.
impl Request {
    /// The value of this type that a layer has attached.
    ///
    /// ```no_run
    /// use ringlane::layer::{Next, layered};
    /// use ringlane::{Request, Response, Server};
    ///
    /// struct User(String);
    ///
    /// Server::bind("127.0.0.1:8080").serve(|_core| {
    ///     let greet = async |request: Request| match request.value::<User>() {
    ///         Some(User(name)) => format!("Hello, {name}!"),
    ///         None => "Hello, whoever you are!".to_owned(),
    ///     };
    ///     layered(greet).layer(async |mut request: Request, next: &Next| {
    ///         request.set_value(User("Ada".to_owned()));
    ///         next.run(request).await
    ///     })
    /// })?;
    /// # Ok::<(), ringlane::Error>(())
    /// ```
    pub fn value<T: 'static>(&self) -> Option<&T> {
        let values = &self.extras().values;
        let (_, value) = values.iter().find(|(kind, _)| *kind == TypeId::of::<T>())?;
        value.downcast_ref()
    }

    /// Attaches a value, one of each type, and returns the one that it replaces.
    pub fn set_value<T: 'static>(&mut self, value: T) -> Option<T> {
        let before = self.take_value();
        self.extras_mut().values.push((TypeId::of::<T>(), Box::new(value)));
        before
    }

    /// Takes the value of this type out.
    pub fn take_value<T: 'static>(&mut self) -> Option<T> {
        let values = &mut self.extras_mut().values;
        let place = values.iter().position(|(kind, _)| *kind == TypeId::of::<T>())?;
        let (_, value) = values.swap_remove(place);
        value.downcast().ok().map(|value| *value)
    }
}
