//! A descriptor set written out as `.proto` text: names, numbers and types, no comments.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, ServiceDescriptorProto,
};
use std::fmt::Write as _;

/// The text of one file.
pub(crate) fn file(file: &FileDescriptorProto) -> String {
    let mut out = Out::default();
    out.line("syntax = \"proto3\";");
    out.blank();
    out.line(&format!("package {};", file.package()));
    if !file.dependency.is_empty() {
        out.blank();
        for dependency in &file.dependency {
            out.line(&format!("import \"{dependency}\";"));
        }
    }
    for message in &file.message_type {
        out.blank();
        out.message(message);
    }
    for enumeration in &file.enum_type {
        out.blank();
        out.enumeration(enumeration);
    }
    for service in &file.service {
        out.blank();
        out.service(service);
    }
    out.text
}

#[derive(Default)]
struct Out {
    text: String,
    depth: usize,
}

impl Out {
    fn line(&mut self, line: &str) {
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn open(&mut self, head: &str) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    fn message(&mut self, message: &DescriptorProto) {
        self.open(&format!("message {}", message.name()));
        self.reserved(
            message
                .reserved_range
                .iter()
                .map(|range| (range.start(), range.end() - 1)),
            &message.reserved_name,
        );
        if message
            .options
            .as_ref()
            .is_some_and(prost_types::MessageOptions::deprecated)
        {
            self.line("option deprecated = true;");
        }
        let is_map = |nested: &&DescriptorProto| {
            nested
                .options
                .as_ref()
                .is_some_and(prost_types::MessageOptions::map_entry)
        };
        for nested in message.nested_type.iter().filter(|nested| !is_map(nested)) {
            self.message(nested);
        }
        for enumeration in &message.enum_type {
            self.enumeration(enumeration);
        }
        let mut written = vec![false; message.oneof_decl.len()];
        for field in &message.field {
            match field.oneof_index {
                Some(index) if !field.proto3_optional() => {
                    let index = index as usize;
                    if std::mem::replace(&mut written[index], true) {
                        continue;
                    }
                    self.open(&format!("oneof {}", message.oneof_decl[index].name()));
                    for member in &message.field {
                        if member.oneof_index == Some(index as i32) && !member.proto3_optional() {
                            self.field(member, message);
                        }
                    }
                    self.close();
                }
                _ => self.field(field, message),
            }
        }
        self.close();
    }

    fn field(&mut self, field: &FieldDescriptorProto, message: &DescriptorProto) {
        let mut kind = type_name(field);
        let mut label = match field.label() {
            Label::Repeated => "repeated ",
            _ if field.proto3_optional() => "optional ",
            _ => "",
        };
        let entry = message.nested_type.iter().find(|nested| {
            nested
                .options
                .as_ref()
                .is_some_and(prost_types::MessageOptions::map_entry)
                && field.r#type() == Type::Message
                && field.type_name().rsplit('.').next() == Some(nested.name())
        });
        if let Some(entry) = entry {
            label = "";
            kind = format!("map<{}, {}>", type_name(&entry.field[0]), type_name(&entry.field[1]));
        }
        let mut line = format!("{label}{kind} {} = {}", field.name(), field.number());
        if field
            .options
            .as_ref()
            .is_some_and(prost_types::FieldOptions::deprecated)
        {
            line.push_str(" [deprecated = true]");
        }
        line.push(';');
        self.line(&line);
    }

    fn enumeration(&mut self, enumeration: &EnumDescriptorProto) {
        self.open(&format!("enum {}", enumeration.name()));
        self.reserved(
            enumeration
                .reserved_range
                .iter()
                .map(|range| (range.start(), range.end())),
            &enumeration.reserved_name,
        );
        for value in &enumeration.value {
            let deprecated = value
                .options
                .as_ref()
                .is_some_and(prost_types::EnumValueOptions::deprecated);
            let suffix = if deprecated { " [deprecated = true]" } else { "" };
            self.line(&format!("{} = {}{suffix};", value.name(), value.number()));
        }
        self.close();
    }

    fn service(&mut self, service: &ServiceDescriptorProto) {
        self.open(&format!("service {}", service.name()));
        for method in &service.method {
            let stream = if method.server_streaming() { "stream " } else { "" };
            let mut line = format!(
                "rpc {}({}) returns ({stream}{})",
                method.name(),
                method.input_type(),
                method.output_type()
            );
            let deprecated = method
                .options
                .as_ref()
                .is_some_and(prost_types::MethodOptions::deprecated);
            line.push_str(if deprecated {
                " { option deprecated = true; }"
            } else {
                ";"
            });
            self.line(&line);
        }
        self.close();
    }

    fn reserved(&mut self, ranges: impl Iterator<Item = (i32, i32)>, names: &[String]) {
        let mut line = String::new();
        for (start, end) in ranges {
            let comma = if line.is_empty() { "" } else { ", " };
            let _ = match start == end {
                true => write!(line, "{comma}{start}"),
                false => write!(line, "{comma}{start} to {end}"),
            };
        }
        if !line.is_empty() {
            self.line(&format!("reserved {line};"));
        }
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            self.line(&format!("reserved {};", names.join(", ")));
        }
    }
}

fn type_name(field: &FieldDescriptorProto) -> String {
    let scalar = match field.r#type() {
        Type::Double => "double",
        Type::Float => "float",
        Type::Int64 => "int64",
        Type::Uint64 => "uint64",
        Type::Int32 => "int32",
        Type::Fixed64 => "fixed64",
        Type::Fixed32 => "fixed32",
        Type::Bool => "bool",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Uint32 => "uint32",
        Type::Sfixed32 => "sfixed32",
        Type::Sfixed64 => "sfixed64",
        Type::Sint32 => "sint32",
        Type::Sint64 => "sint64",
        Type::Group | Type::Message | Type::Enum => return field.type_name().to_owned(),
    };
    scalar.to_owned()
}
