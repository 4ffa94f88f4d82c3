//! A descriptor set laid flat: every message and enum under its full name, with the path of the Rust that prost makes.

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use std::collections::{BTreeMap, BTreeSet};

/// All messages and enums of a descriptor set, by full name with a leading dot.
pub(crate) struct Model<'set> {
    pub(crate) messages: BTreeMap<String, Message<'set>>,
    pub(crate) enums: BTreeMap<String, &'set EnumDescriptorProto>,
    /// The messages that are the input or output of a service's method.
    pub(crate) called: BTreeSet<String>,
}

/// One message with what the generators need to know of it.
pub(crate) struct Message<'set> {
    pub(crate) descriptor: &'set DescriptorProto,
    /// `api::common::v1::Payload`, below `crate::generated::temporal` or the well-known types.
    pub(crate) rust: String,
    /// The module of the message's nested types, for the enums of its oneofs.
    pub(crate) module: String,
}

impl<'set> Model<'set> {
    pub(crate) fn new(set: &'set FileDescriptorSet) -> Self {
        let mut model = Self {
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
            called: BTreeSet::new(),
        };
        for file in &set.file {
            let package = file.package();
            let module: Vec<String> = package.split('.').map(module_name).collect();
            let module = match package {
                "google.protobuf" => "::prost_types".to_owned(),
                _ => format!("crate::generated::{}", module.join("::")),
            };
            for message in &file.message_type {
                model.add(&format!(".{package}"), &module, message);
            }
            for enumeration in &file.enum_type {
                model
                    .enums
                    .insert(format!(".{package}.{}", enumeration.name()), enumeration);
            }
            for method in file.service.iter().flat_map(|service| &service.method) {
                model.called.insert(method.input_type().to_owned());
                model.called.insert(method.output_type().to_owned());
            }
        }
        model
    }

    fn add(&mut self, scope: &str, module: &str, descriptor: &'set DescriptorProto) {
        let name = format!("{scope}.{}", descriptor.name());
        let inner = format!("{module}::{}", module_name(descriptor.name()));
        for nested in &descriptor.nested_type {
            self.add(&name, &inner, nested);
        }
        for enumeration in &descriptor.enum_type {
            self.enums.insert(format!("{name}.{}", enumeration.name()), enumeration);
        }
        let message = Message {
            descriptor,
            rust: format!("{module}::{}", descriptor.name().to_upper_camel_case()),
            module: inner,
        };
        self.messages.insert(name, message);
    }

    /// The names of the messages that hold one of `seeds`, at any depth, with `seeds` themselves.
    pub(crate) fn holders(&self, seeds: &[&str]) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = seeds.iter().map(|seed| (*seed).to_owned()).collect();
        loop {
            let more: Vec<String> = self
                .messages
                .iter()
                .filter(|(name, message)| {
                    !found.contains(*name)
                        && message
                            .descriptor
                            .field
                            .iter()
                            .any(|field| found.contains(field.type_name()))
                })
                .map(|(name, _)| name.clone())
                .collect();
            if more.is_empty() {
                return found;
            }
            found.extend(more);
        }
    }

    /// The entry message of a map field.
    pub(crate) fn map_entry(&self, field: &FieldDescriptorProto) -> Option<&'set DescriptorProto> {
        let entry = self.messages.get(field.type_name())?;
        (field.r#type() == Type::Message && entry.is_map_entry()).then_some(entry.descriptor)
    }
}

impl Message<'_> {
    pub(crate) fn is_map_entry(&self) -> bool {
        self.descriptor
            .options
            .as_ref()
            .is_some_and(prost_types::MessageOptions::map_entry)
    }

    /// The path of the enum of a oneof.
    pub(crate) fn oneof(&self, index: i32) -> String {
        let name = self.descriptor.oneof_decl[index as usize].name();
        format!("{}::{}", self.module, name.to_upper_camel_case())
    }
}

/// The oneof a field belongs to, leaving aside those that only make a scalar `optional`.
pub(crate) fn oneof_of(field: &FieldDescriptorProto) -> Option<i32> {
    match field.proto3_optional() {
        true => None,
        false => field.oneof_index,
    }
}

pub(crate) fn is_repeated(field: &FieldDescriptorProto) -> bool {
    field.label() == Label::Repeated
}

/// The Rust name of a field or a module.
pub(crate) fn field_name(name: &str) -> String {
    let snake = name.to_snake_case();
    match snake.as_str() {
        "type" | "ref" | "match" | "move" | "use" | "where" | "in" | "loop" | "async" | "await" | "try" | "yield" => {
            format!("r#{snake}")
        }
        _ => snake,
    }
}

/// The Rust name of the module of a package part or of a message's nested types.
fn module_name(name: &str) -> String {
    field_name(name)
}
