//! What the attribute writes to register its handler; nothing without the feature `policies`.
//!
//! A macro, so that the attribute need not know which features this crate has.

/// Without the feature: nothing.
#[cfg(not(feature = "policies"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __register_operation {
    ($($tokens:tt)*) => {};
}

/// The spec and the scope.
#[cfg(all(feature = "policies", not(feature = "utoipa")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __register_operation {
    ($spec:ident, $scope:literal, $($path:tt)*) => {
        $crate::__private::inventory::submit! {
            $crate::__private::RegisteredHandler::new(&$spec, $scope)
        }
    };
}

/// The same with the type that `#[utoipa::path]` may have left; `= path` if it surely has.
#[cfg(feature = "utoipa")]
#[doc(hidden)]
#[macro_export]
macro_rules! __register_operation {
    ($spec:ident, $scope:literal, = $path:ident) => {
        $crate::__private::inventory::submit! {
            $crate::__private::RegisteredHandler::new(&$spec, $scope)
                .documented($crate::__private::PathOf::<$path>::documented)
        }
    };
    ($spec:ident, $scope:literal, $path:ident) => {
        #[allow(non_camel_case_types, dead_code)]
        struct $path;
        const _: () = {
            #[allow(unused_imports)]
            use self::*;
            #[allow(unused_imports)]
            use $crate::__private::AnyPath as _;
            $crate::__private::inventory::submit! {
                $crate::__private::RegisteredHandler::new(&$spec, $scope).documented(|| {
                    $crate::__private::PathOf::<$path>::documented()
                        .filter(|_| $crate::__private::is_of_module::<$path>(::core::module_path!()))
                })
            }
        };
    };
}
