//! The services of one path, by method.

use http::{Method, StatusCode};

use crate::erased::AnyService;
use crate::layer::{Layer, Wrap};
use crate::service::Service;

/// The methods that the engine passes on to services (RFC 9110 §9, RFC 5789), in the order of `Allow`.
pub(super) const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

/// The place of a method in [`METHODS`].
pub(super) fn index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        _ => 7,
    }
}

/// Services for the methods of one path; begun by [`get()`], [`post()`] and the like.
pub struct Methods {
    /// By the place in [`METHODS`]; of services for one method the last one holds.
    pub(super) services: [Option<AnyService>; METHODS.len()],
    /// For every other method.
    pub(super) any: Option<AnyService>,
    pub(super) invalid_param: StatusCode,
}

impl Methods {
    fn new() -> Methods {
        Methods {
            services: [const { None }; METHODS.len()],
            any: None,
            invalid_param: StatusCode::BAD_REQUEST,
        }
    }

    fn on(mut self, method: &Method, service: impl Service) -> Methods {
        self.services[index(method)] = Some(AnyService::new(service));
        self
    }

    /// Adds a service for GET, which answers HEAD, too, unless HEAD has its own.
    #[must_use]
    pub fn get(self, service: impl Service) -> Methods {
        self.on(&Method::GET, service)
    }

    /// Adds a service for HEAD.
    #[must_use]
    pub fn head(self, service: impl Service) -> Methods {
        self.on(&Method::HEAD, service)
    }

    /// Adds a service for POST.
    #[must_use]
    pub fn post(self, service: impl Service) -> Methods {
        self.on(&Method::POST, service)
    }

    /// Adds a service for PUT.
    #[must_use]
    pub fn put(self, service: impl Service) -> Methods {
        self.on(&Method::PUT, service)
    }

    /// Adds a service for PATCH.
    #[must_use]
    pub fn patch(self, service: impl Service) -> Methods {
        self.on(&Method::PATCH, service)
    }

    /// Adds a service for DELETE.
    #[must_use]
    pub fn delete(self, service: impl Service) -> Methods {
        self.on(&Method::DELETE, service)
    }

    /// Adds a service for OPTIONS.
    #[must_use]
    pub fn options(self, service: impl Service) -> Methods {
        self.on(&Method::OPTIONS, service)
    }

    /// Adds a service for all methods that have none.
    #[must_use]
    pub fn any(mut self, service: impl Service) -> Methods {
        self.any = Some(AnyService::new(service));
        self
    }

    /// Puts a layer around the services that are there. What was put last sees a request first.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer) -> Methods {
        self.wrap(&Wrap::new(layer));
        self
    }

    pub(super) fn wrap(&mut self, layer: &Wrap) {
        for service in self.services.iter_mut().chain([&mut self.any]) {
            *service = service.take().map(|service| layer.around(service));
        }
    }

    /// With what status a [`ParamError`](super::ParamError) of this path is answered: 400 unless said otherwise; 404 where
    /// a parameter that cannot be parsed means that there is no such thing.
    #[must_use]
    pub fn invalid_param(mut self, status: StatusCode) -> Methods {
        self.invalid_param = status;
        self
    }
}

/// A service for GET, which answers HEAD, too.
pub fn get(service: impl Service) -> Methods {
    Methods::new().get(service)
}

/// A service for HEAD alone.
pub fn head(service: impl Service) -> Methods {
    Methods::new().head(service)
}

/// A service for POST.
pub fn post(service: impl Service) -> Methods {
    Methods::new().post(service)
}

/// A service for PUT.
pub fn put(service: impl Service) -> Methods {
    Methods::new().put(service)
}

/// A service for PATCH.
pub fn patch(service: impl Service) -> Methods {
    Methods::new().patch(service)
}

/// A service for DELETE.
pub fn delete(service: impl Service) -> Methods {
    Methods::new().delete(service)
}

/// A service for OPTIONS.
pub fn options(service: impl Service) -> Methods {
    Methods::new().options(service)
}

/// A service for every method.
pub fn any(service: impl Service) -> Methods {
    Methods::new().any(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_its_place() {
        for (place, method) in METHODS.iter().enumerate() {
            assert_eq!(index(method), place, "{method}");
        }
    }
}
