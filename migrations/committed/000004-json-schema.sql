--! Previous: sha1:1038de0a9b1ddc5e3270687e0d56df1061c6a5eb
--! Hash: sha1:a39bdfa29280f70bb9c68c449cea33dd55c46c36
--! Message: json schema

-- What a value must be

--!include json-schema/private/json_schema_regex.sql
--!include json-schema/private/json_schema_check.sql
--!include json-schema/private/json_schema_errors.sql
--!include json-schema/private/json_schema_problems.sql
--!include json-schema/private/invalid_value_message.sql
--!include json-schema/private/resolve_reference.sql
--!include json-schema/private/schema_types.sql
--!include json-schema/private/merge_obstacle.sql
--!include json-schema/hidden/secret_path.sql
--!include json-schema/private/annotation_problems.sql
--!include json-schema/private/check_annotations.sql
