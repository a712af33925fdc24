--! Previous: sha1:f56124f13a0613e70ddbbbb91ddfd96420ae4962
--! Hash: sha1:6f142bf31856e1d5fc8a3ac20b7c6fe13ec9f9b5
--! Message: json schema

-- What a value must be

--! Included json-schema/private/percent_decoded.sql
create or replace function attune_private.percent_decoded(encoded text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  -- What would be no UTF-8 stays as it is.
  select coalesce(
    string_agg(
      case
        when p.parts[1] like '%\%%' then convert_from(decode(replace(p.parts[1], '%', ''), 'hex'), 'UTF8')
        else p.parts[2]
      end,
      '' order by p.n
    ),
    ''
  )
  from regexp_matches(
    percent_decoded.encoded,
    '(%(?!00)[0-7][[:xdigit:]]|%(?:[cC][2-9a-fA-F]|[dD][[:xdigit:]])%[89abAB][[:xdigit:]]'
    '|%[eE](?:0%[abAB]|[1-9a-cA-CeEfF]%[89abAB]|[dD]%[89])[[:xdigit:]]%[89abAB][[:xdigit:]]'
    '|%[fF](?:0%[9abAB]|[1-3]%[89abAB]|4%8)[[:xdigit:]](?:%[89abAB][[:xdigit:]]){2})|([^%]+|%)',
    'g'
  ) with ordinality as p (parts, n);
end;
comment on function attune_private.percent_decoded(text) is 'The text that a part of a URI stands for.';
revoke all on function attune_private.percent_decoded(text) from public;
--! EndIncluded json-schema/private/percent_decoded.sql
--! Included json-schema/private/json_children.sql
create or replace function attune_private.json_children(value jsonb)
returns table (name text, member jsonb)
language sql immutable parallel safe security invoker
begin atomic
  select e.key, e.value
  from jsonb_each(case jsonb_typeof(value) when 'object' then value end) as e
  union all
  select (i.n - 1)::text, i.item
  from jsonb_array_elements(case jsonb_typeof(value) when 'array' then value end) with ordinality as i (item, n);
end;
comment on function attune_private.json_children(jsonb) is
  'The members of an object by name, the items of an array by number, as JSON Pointers name them; nothing of a scalar.';
revoke all on function attune_private.json_children(jsonb) from public;
--! EndIncluded json-schema/private/json_children.sql
--! Included json-schema/private/json_pointer_path.sql
create or replace function attune_private.json_pointer_path(pointer text)
returns text[]
language sql immutable parallel safe security invoker
begin atomic
  select case
    when json_pointer_path.pointer ~ '~' then array(
      select replace(replace(s.step, '~1', '/'), '~0', '~')
      from unnest((string_to_array(json_pointer_path.pointer, '/'))[2:]) with ordinality as s (step, n)
      order by s.n
    )
    else (string_to_array(json_pointer_path.pointer, '/'))[2:]
  end;
end;
comment on function attune_private.json_pointer_path(text) is
  'A JSON Pointer as the path that `#>` takes.';
revoke all on function attune_private.json_pointer_path(text) from public;
--! EndIncluded json-schema/private/json_pointer_path.sql
--! Included json-schema/private/json_pointer_step.sql
create or replace function attune_private.json_pointer_step(name text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select '/' || replace(replace(json_pointer_step.name, '~', '~0'), '/', '~1');
end;
comment on function attune_private.json_pointer_step(text) is 'One step of a JSON Pointer, to the member of this name.';
revoke all on function attune_private.json_pointer_step(text) from public;
--! EndIncluded json-schema/private/json_pointer_step.sql
--! Included json-schema/private/unicode_class.sql
-- Of Unicode 17.0: what PostgreSQL itself says depends on the server's locale.
create or replace function attune_private.unicode_class(property text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select case
    case n.name
      when 'Letter' then 'L'
      when 'Uppercase_Letter' then 'Lu'
      when 'Lowercase_Letter' then 'Ll'
      when 'Number' then 'N'
      when 'Decimal_Number' then 'Nd'
      when 'Punctuation' then 'P'
      else n.name
    end
    when 'L' then
      'A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02c1\u02c6-\u02d1\u02e0-\u02e4\u02ec\u02ee'
      '\u0370-\u0374\u0376-\u0377\u037a-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5'
      '\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u0559\u0560-\u0588\u05d0-\u05ea\u05ef-\u05f2\u0620-\u064a'
      '\u066e-\u066f\u0671-\u06d3\u06d5\u06e5-\u06e6\u06ee-\u06ef\u06fa-\u06fc\u06ff\u0710\u0712-\u072f'
      '\u074d-\u07a5\u07b1\u07ca-\u07ea\u07f4-\u07f5\u07fa\u0800-\u0815\u081a\u0824\u0828\u0840-\u0858'
      '\u0860-\u086a\u0870-\u0887\u0889-\u088f\u08a0-\u08c9\u0904-\u0939\u093d\u0950\u0958-\u0961\u0971-\u0980'
      '\u0985-\u098c\u098f-\u0990\u0993-\u09a8\u09aa-\u09b0\u09b2\u09b6-\u09b9\u09bd\u09ce\u09dc-\u09dd'
      '\u09df-\u09e1\u09f0-\u09f1\u09fc\u0a05-\u0a0a\u0a0f-\u0a10\u0a13-\u0a28\u0a2a-\u0a30\u0a32-\u0a33'
      '\u0a35-\u0a36\u0a38-\u0a39\u0a59-\u0a5c\u0a5e\u0a72-\u0a74\u0a85-\u0a8d\u0a8f-\u0a91\u0a93-\u0aa8'
      '\u0aaa-\u0ab0\u0ab2-\u0ab3\u0ab5-\u0ab9\u0abd\u0ad0\u0ae0-\u0ae1\u0af9\u0b05-\u0b0c\u0b0f-\u0b10'
      '\u0b13-\u0b28\u0b2a-\u0b30\u0b32-\u0b33\u0b35-\u0b39\u0b3d\u0b5c-\u0b5d\u0b5f-\u0b61\u0b71\u0b83'
      '\u0b85-\u0b8a\u0b8e-\u0b90\u0b92-\u0b95\u0b99-\u0b9a\u0b9c\u0b9e-\u0b9f\u0ba3-\u0ba4\u0ba8-\u0baa'
      '\u0bae-\u0bb9\u0bd0\u0c05-\u0c0c\u0c0e-\u0c10\u0c12-\u0c28\u0c2a-\u0c39\u0c3d\u0c58-\u0c5a\u0c5c-\u0c5d'
      '\u0c60-\u0c61\u0c80\u0c85-\u0c8c\u0c8e-\u0c90\u0c92-\u0ca8\u0caa-\u0cb3\u0cb5-\u0cb9\u0cbd\u0cdc-\u0cde'
      '\u0ce0-\u0ce1\u0cf1-\u0cf2\u0d04-\u0d0c\u0d0e-\u0d10\u0d12-\u0d3a\u0d3d\u0d4e\u0d54-\u0d56\u0d5f-\u0d61'
      '\u0d7a-\u0d7f\u0d85-\u0d96\u0d9a-\u0db1\u0db3-\u0dbb\u0dbd\u0dc0-\u0dc6\u0e01-\u0e30\u0e32-\u0e33'
      '\u0e40-\u0e46\u0e81-\u0e82\u0e84\u0e86-\u0e8a\u0e8c-\u0ea3\u0ea5\u0ea7-\u0eb0\u0eb2-\u0eb3\u0ebd'
      '\u0ec0-\u0ec4\u0ec6\u0edc-\u0edf\u0f00\u0f40-\u0f47\u0f49-\u0f6c\u0f88-\u0f8c\u1000-\u102a\u103f'
      '\u1050-\u1055\u105a-\u105d\u1061\u1065-\u1066\u106e-\u1070\u1075-\u1081\u108e\u10a0-\u10c5\u10c7\u10cd'
      '\u10d0-\u10fa\u10fc-\u1248\u124a-\u124d\u1250-\u1256\u1258\u125a-\u125d\u1260-\u1288\u128a-\u128d'
      '\u1290-\u12b0\u12b2-\u12b5\u12b8-\u12be\u12c0\u12c2-\u12c5\u12c8-\u12d6\u12d8-\u1310\u1312-\u1315'
      '\u1318-\u135a\u1380-\u138f\u13a0-\u13f5\u13f8-\u13fd\u1401-\u166c\u166f-\u167f\u1681-\u169a\u16a0-\u16ea'
      '\u16f1-\u16f8\u1700-\u1711\u171f-\u1731\u1740-\u1751\u1760-\u176c\u176e-\u1770\u1780-\u17b3\u17d7\u17dc'
      '\u1820-\u1878\u1880-\u1884\u1887-\u18a8\u18aa\u18b0-\u18f5\u1900-\u191e\u1950-\u196d\u1970-\u1974'
      '\u1980-\u19ab\u19b0-\u19c9\u1a00-\u1a16\u1a20-\u1a54\u1aa7\u1b05-\u1b33\u1b45-\u1b4c\u1b83-\u1ba0'
      '\u1bae-\u1baf\u1bba-\u1be5\u1c00-\u1c23\u1c4d-\u1c4f\u1c5a-\u1c7d\u1c80-\u1c8a\u1c90-\u1cba\u1cbd-\u1cbf'
      '\u1ce9-\u1cec\u1cee-\u1cf3\u1cf5-\u1cf6\u1cfa\u1d00-\u1dbf\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45'
      '\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4'
      '\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2071\u207f\u2090-\u209c'
      '\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2139\u213c-\u213f'
      '\u2145-\u2149\u214e\u2183-\u2184\u2c00-\u2ce4\u2ceb-\u2cee\u2cf2-\u2cf3\u2d00-\u2d25\u2d27\u2d2d'
      '\u2d30-\u2d67\u2d6f\u2d80-\u2d96\u2da0-\u2da6\u2da8-\u2dae\u2db0-\u2db6\u2db8-\u2dbe\u2dc0-\u2dc6'
      '\u2dc8-\u2dce\u2dd0-\u2dd6\u2dd8-\u2dde\u2e2f\u3005-\u3006\u3031-\u3035\u303b-\u303c\u3041-\u3096'
      '\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf'
      '\u4e00-\ua48c\ua4d0-\ua4fd\ua500-\ua60c\ua610-\ua61f\ua62a-\ua62b\ua640-\ua66e\ua67f-\ua69d\ua6a0-\ua6e5'
      '\ua717-\ua71f\ua722-\ua788\ua78b-\ua7dc\ua7f1-\ua801\ua803-\ua805\ua807-\ua80a\ua80c-\ua822\ua840-\ua873'
      '\ua882-\ua8b3\ua8f2-\ua8f7\ua8fb\ua8fd-\ua8fe\ua90a-\ua925\ua930-\ua946\ua960-\ua97c\ua984-\ua9b2\ua9cf'
      '\ua9e0-\ua9e4\ua9e6-\ua9ef\ua9fa-\ua9fe\uaa00-\uaa28\uaa40-\uaa42\uaa44-\uaa4b\uaa60-\uaa76\uaa7a'
      '\uaa7e-\uaaaf\uaab1\uaab5-\uaab6\uaab9-\uaabd\uaac0\uaac2\uaadb-\uaadd\uaae0-\uaaea\uaaf2-\uaaf4'
      '\uab01-\uab06\uab09-\uab0e\uab11-\uab16\uab20-\uab26\uab28-\uab2e\uab30-\uab5a\uab5c-\uab69\uab70-\uabe2'
      '\uac00-\ud7a3\ud7b0-\ud7c6\ud7cb-\ud7fb\uf900-\ufa6d\ufa70-\ufad9\ufb00-\ufb06\ufb13-\ufb17\ufb1d'
      '\ufb1f-\ufb28\ufb2a-\ufb36\ufb38-\ufb3c\ufb3e\ufb40-\ufb41\ufb43-\ufb44\ufb46-\ufbb1\ufbd3-\ufd3d'
      '\ufd50-\ufd8f\ufd92-\ufdc7\ufdf0-\ufdfb\ufe70-\ufe74\ufe76-\ufefc\uff21-\uff3a\uff41-\uff5a\uff66-\uffbe'
      '\uffc2-\uffc7\uffca-\uffcf\uffd2-\uffd7\uffda-\uffdc\U00010000-\U0001000b\U0001000d-\U00010026'
      '\U00010028-\U0001003a\U0001003c-\U0001003d\U0001003f-\U0001004d\U00010050-\U0001005d\U00010080-\U000100fa'
      '\U00010280-\U0001029c\U000102a0-\U000102d0\U00010300-\U0001031f\U0001032d-\U00010340\U00010342-\U00010349'
      '\U00010350-\U00010375\U00010380-\U0001039d\U000103a0-\U000103c3\U000103c8-\U000103cf\U00010400-\U0001049d'
      '\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010500-\U00010527\U00010530-\U00010563\U00010570-\U0001057a'
      '\U0001057c-\U0001058a\U0001058c-\U00010592\U00010594-\U00010595\U00010597-\U000105a1\U000105a3-\U000105b1'
      '\U000105b3-\U000105b9\U000105bb-\U000105bc\U000105c0-\U000105f3\U00010600-\U00010736\U00010740-\U00010755'
      '\U00010760-\U00010767\U00010780-\U00010785\U00010787-\U000107b0\U000107b2-\U000107ba\U00010800-\U00010805'
      '\U00010808\U0001080a-\U00010835\U00010837-\U00010838\U0001083c\U0001083f-\U00010855\U00010860-\U00010876'
      '\U00010880-\U0001089e\U000108e0-\U000108f2\U000108f4-\U000108f5\U00010900-\U00010915\U00010920-\U00010939'
      '\U00010940-\U00010959\U00010980-\U000109b7\U000109be-\U000109bf\U00010a00\U00010a10-\U00010a13'
      '\U00010a15-\U00010a17\U00010a19-\U00010a35\U00010a60-\U00010a7c\U00010a80-\U00010a9c\U00010ac0-\U00010ac7'
      '\U00010ac9-\U00010ae4\U00010b00-\U00010b35\U00010b40-\U00010b55\U00010b60-\U00010b72\U00010b80-\U00010b91'
      '\U00010c00-\U00010c48\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U00010d00-\U00010d23\U00010d4a-\U00010d65'
      '\U00010d6f-\U00010d85\U00010e80-\U00010ea9\U00010eb0-\U00010eb1\U00010ec2-\U00010ec7\U00010f00-\U00010f1c'
      '\U00010f27\U00010f30-\U00010f45\U00010f70-\U00010f81\U00010fb0-\U00010fc4\U00010fe0-\U00010ff6'
      '\U00011003-\U00011037\U00011071-\U00011072\U00011075\U00011083-\U000110af\U000110d0-\U000110e8'
      '\U00011103-\U00011126\U00011144\U00011147\U00011150-\U00011172\U00011176\U00011183-\U000111b2'
      '\U000111c1-\U000111c4\U000111da\U000111dc\U00011200-\U00011211\U00011213-\U0001122b\U0001123f-\U00011240'
      '\U00011280-\U00011286\U00011288\U0001128a-\U0001128d\U0001128f-\U0001129d\U0001129f-\U000112a8'
      '\U000112b0-\U000112de\U00011305-\U0001130c\U0001130f-\U00011310\U00011313-\U00011328\U0001132a-\U00011330'
      '\U00011332-\U00011333\U00011335-\U00011339\U0001133d\U00011350\U0001135d-\U00011361\U00011380-\U00011389'
      '\U0001138b\U0001138e\U00011390-\U000113b5\U000113b7\U000113d1\U000113d3\U00011400-\U00011434'
      '\U00011447-\U0001144a\U0001145f-\U00011461\U00011480-\U000114af\U000114c4-\U000114c5\U000114c7'
      '\U00011580-\U000115ae\U000115d8-\U000115db\U00011600-\U0001162f\U00011644\U00011680-\U000116aa\U000116b8'
      '\U00011700-\U0001171a\U00011740-\U00011746\U00011800-\U0001182b\U000118a0-\U000118df\U000118ff-\U00011906'
      '\U00011909\U0001190c-\U00011913\U00011915-\U00011916\U00011918-\U0001192f\U0001193f\U00011941'
      '\U000119a0-\U000119a7\U000119aa-\U000119d0\U000119e1\U000119e3\U00011a00\U00011a0b-\U00011a32\U00011a3a'
      '\U00011a50\U00011a5c-\U00011a89\U00011a9d\U00011ab0-\U00011af8\U00011bc0-\U00011be0\U00011c00-\U00011c08'
      '\U00011c0a-\U00011c2e\U00011c40\U00011c72-\U00011c8f\U00011d00-\U00011d06\U00011d08-\U00011d09'
      '\U00011d0b-\U00011d30\U00011d46\U00011d60-\U00011d65\U00011d67-\U00011d68\U00011d6a-\U00011d89\U00011d98'
      '\U00011db0-\U00011ddb\U00011ee0-\U00011ef2\U00011f02\U00011f04-\U00011f10\U00011f12-\U00011f33\U00011fb0'
      '\U00012000-\U00012399\U00012480-\U00012543\U00012f90-\U00012ff0\U00013000-\U0001342f\U00013441-\U00013446'
      '\U00013460-\U000143fa\U00014400-\U00014646\U00016100-\U0001611d\U00016800-\U00016a38\U00016a40-\U00016a5e'
      '\U00016a70-\U00016abe\U00016ad0-\U00016aed\U00016b00-\U00016b2f\U00016b40-\U00016b43\U00016b63-\U00016b77'
      '\U00016b7d-\U00016b8f\U00016d40-\U00016d6c\U00016e40-\U00016e7f\U00016ea0-\U00016eb8\U00016ebb-\U00016ed3'
      '\U00016f00-\U00016f4a\U00016f50\U00016f93-\U00016f9f\U00016fe0-\U00016fe1\U00016fe3\U00016ff2-\U00016ff3'
      '\U00017000-\U00018cd5\U00018cff-\U00018d1e\U00018d80-\U00018df2\U0001aff0-\U0001aff3\U0001aff5-\U0001affb'
      '\U0001affd-\U0001affe\U0001b000-\U0001b122\U0001b132\U0001b150-\U0001b152\U0001b155\U0001b164-\U0001b167'
      '\U0001b170-\U0001b2fb\U0001bc00-\U0001bc6a\U0001bc70-\U0001bc7c\U0001bc80-\U0001bc88\U0001bc90-\U0001bc99'
      '\U0001d400-\U0001d454\U0001d456-\U0001d49c\U0001d49e-\U0001d49f\U0001d4a2\U0001d4a5-\U0001d4a6'
      '\U0001d4a9-\U0001d4ac\U0001d4ae-\U0001d4b9\U0001d4bb\U0001d4bd-\U0001d4c3\U0001d4c5-\U0001d505'
      '\U0001d507-\U0001d50a\U0001d50d-\U0001d514\U0001d516-\U0001d51c\U0001d51e-\U0001d539\U0001d53b-\U0001d53e'
      '\U0001d540-\U0001d544\U0001d546\U0001d54a-\U0001d550\U0001d552-\U0001d6a5\U0001d6a8-\U0001d6c0'
      '\U0001d6c2-\U0001d6da\U0001d6dc-\U0001d6fa\U0001d6fc-\U0001d714\U0001d716-\U0001d734\U0001d736-\U0001d74e'
      '\U0001d750-\U0001d76e\U0001d770-\U0001d788\U0001d78a-\U0001d7a8\U0001d7aa-\U0001d7c2\U0001d7c4-\U0001d7cb'
      '\U0001df00-\U0001df1e\U0001df25-\U0001df2a\U0001e030-\U0001e06d\U0001e100-\U0001e12c\U0001e137-\U0001e13d'
      '\U0001e14e\U0001e290-\U0001e2ad\U0001e2c0-\U0001e2eb\U0001e4d0-\U0001e4eb\U0001e5d0-\U0001e5ed\U0001e5f0'
      '\U0001e6c0-\U0001e6de\U0001e6e0-\U0001e6e2\U0001e6e4-\U0001e6e5\U0001e6e7-\U0001e6ed\U0001e6f0-\U0001e6f4'
      '\U0001e6fe-\U0001e6ff\U0001e7e0-\U0001e7e6\U0001e7e8-\U0001e7eb\U0001e7ed-\U0001e7ee\U0001e7f0-\U0001e7fe'
      '\U0001e800-\U0001e8c4\U0001e900-\U0001e943\U0001e94b\U0001ee00-\U0001ee03\U0001ee05-\U0001ee1f'
      '\U0001ee21-\U0001ee22\U0001ee24\U0001ee27\U0001ee29-\U0001ee32\U0001ee34-\U0001ee37\U0001ee39\U0001ee3b'
      '\U0001ee42\U0001ee47\U0001ee49\U0001ee4b\U0001ee4d-\U0001ee4f\U0001ee51-\U0001ee52\U0001ee54\U0001ee57'
      '\U0001ee59\U0001ee5b\U0001ee5d\U0001ee5f\U0001ee61-\U0001ee62\U0001ee64\U0001ee67-\U0001ee6a'
      '\U0001ee6c-\U0001ee72\U0001ee74-\U0001ee77\U0001ee79-\U0001ee7c\U0001ee7e\U0001ee80-\U0001ee89'
      '\U0001ee8b-\U0001ee9b\U0001eea1-\U0001eea3\U0001eea5-\U0001eea9\U0001eeab-\U0001eebb\U00020000-\U0002a6df'
      '\U0002a700-\U0002b81d\U0002b820-\U0002cead\U0002ceb0-\U0002ebe0\U0002ebf0-\U0002ee5d\U0002f800-\U0002fa1d'
      '\U00030000-\U0003134a\U00031350-\U00033479'
    when 'Lu' then
      'A-Z\u00c0-\u00d6\u00d8-\u00de\u0100\u0102\u0104\u0106\u0108\u010a\u010c\u010e\u0110\u0112\u0114\u0116'
      '\u0118\u011a\u011c\u011e\u0120\u0122\u0124\u0126\u0128\u012a\u012c\u012e\u0130\u0132\u0134\u0136\u0139'
      '\u013b\u013d\u013f\u0141\u0143\u0145\u0147\u014a\u014c\u014e\u0150\u0152\u0154\u0156\u0158\u015a\u015c'
      '\u015e\u0160\u0162\u0164\u0166\u0168\u016a\u016c\u016e\u0170\u0172\u0174\u0176\u0178-\u0179\u017b\u017d'
      '\u0181-\u0182\u0184\u0186-\u0187\u0189-\u018b\u018e-\u0191\u0193-\u0194\u0196-\u0198\u019c-\u019d'
      '\u019f-\u01a0\u01a2\u01a4\u01a6-\u01a7\u01a9\u01ac\u01ae-\u01af\u01b1-\u01b3\u01b5\u01b7-\u01b8\u01bc'
      '\u01c4\u01c7\u01ca\u01cd\u01cf\u01d1\u01d3\u01d5\u01d7\u01d9\u01db\u01de\u01e0\u01e2\u01e4\u01e6\u01e8'
      '\u01ea\u01ec\u01ee\u01f1\u01f4\u01f6-\u01f8\u01fa\u01fc\u01fe\u0200\u0202\u0204\u0206\u0208\u020a\u020c'
      '\u020e\u0210\u0212\u0214\u0216\u0218\u021a\u021c\u021e\u0220\u0222\u0224\u0226\u0228\u022a\u022c\u022e'
      '\u0230\u0232\u023a-\u023b\u023d-\u023e\u0241\u0243-\u0246\u0248\u024a\u024c\u024e\u0370\u0372\u0376\u037f'
      '\u0386\u0388-\u038a\u038c\u038e-\u038f\u0391-\u03a1\u03a3-\u03ab\u03cf\u03d2-\u03d4\u03d8\u03da\u03dc'
      '\u03de\u03e0\u03e2\u03e4\u03e6\u03e8\u03ea\u03ec\u03ee\u03f4\u03f7\u03f9-\u03fa\u03fd-\u042f\u0460\u0462'
      '\u0464\u0466\u0468\u046a\u046c\u046e\u0470\u0472\u0474\u0476\u0478\u047a\u047c\u047e\u0480\u048a\u048c'
      '\u048e\u0490\u0492\u0494\u0496\u0498\u049a\u049c\u049e\u04a0\u04a2\u04a4\u04a6\u04a8\u04aa\u04ac\u04ae'
      '\u04b0\u04b2\u04b4\u04b6\u04b8\u04ba\u04bc\u04be\u04c0-\u04c1\u04c3\u04c5\u04c7\u04c9\u04cb\u04cd\u04d0'
      '\u04d2\u04d4\u04d6\u04d8\u04da\u04dc\u04de\u04e0\u04e2\u04e4\u04e6\u04e8\u04ea\u04ec\u04ee\u04f0\u04f2'
      '\u04f4\u04f6\u04f8\u04fa\u04fc\u04fe\u0500\u0502\u0504\u0506\u0508\u050a\u050c\u050e\u0510\u0512\u0514'
      '\u0516\u0518\u051a\u051c\u051e\u0520\u0522\u0524\u0526\u0528\u052a\u052c\u052e\u0531-\u0556\u10a0-\u10c5'
      '\u10c7\u10cd\u13a0-\u13f5\u1c89\u1c90-\u1cba\u1cbd-\u1cbf\u1e00\u1e02\u1e04\u1e06\u1e08\u1e0a\u1e0c\u1e0e'
      '\u1e10\u1e12\u1e14\u1e16\u1e18\u1e1a\u1e1c\u1e1e\u1e20\u1e22\u1e24\u1e26\u1e28\u1e2a\u1e2c\u1e2e\u1e30'
      '\u1e32\u1e34\u1e36\u1e38\u1e3a\u1e3c\u1e3e\u1e40\u1e42\u1e44\u1e46\u1e48\u1e4a\u1e4c\u1e4e\u1e50\u1e52'
      '\u1e54\u1e56\u1e58\u1e5a\u1e5c\u1e5e\u1e60\u1e62\u1e64\u1e66\u1e68\u1e6a\u1e6c\u1e6e\u1e70\u1e72\u1e74'
      '\u1e76\u1e78\u1e7a\u1e7c\u1e7e\u1e80\u1e82\u1e84\u1e86\u1e88\u1e8a\u1e8c\u1e8e\u1e90\u1e92\u1e94\u1e9e'
      '\u1ea0\u1ea2\u1ea4\u1ea6\u1ea8\u1eaa\u1eac\u1eae\u1eb0\u1eb2\u1eb4\u1eb6\u1eb8\u1eba\u1ebc\u1ebe\u1ec0'
      '\u1ec2\u1ec4\u1ec6\u1ec8\u1eca\u1ecc\u1ece\u1ed0\u1ed2\u1ed4\u1ed6\u1ed8\u1eda\u1edc\u1ede\u1ee0\u1ee2'
      '\u1ee4\u1ee6\u1ee8\u1eea\u1eec\u1eee\u1ef0\u1ef2\u1ef4\u1ef6\u1ef8\u1efa\u1efc\u1efe\u1f08-\u1f0f'
      '\u1f18-\u1f1d\u1f28-\u1f2f\u1f38-\u1f3f\u1f48-\u1f4d\u1f59\u1f5b\u1f5d\u1f5f\u1f68-\u1f6f\u1fb8-\u1fbb'
      '\u1fc8-\u1fcb\u1fd8-\u1fdb\u1fe8-\u1fec\u1ff8-\u1ffb\u2102\u2107\u210b-\u210d\u2110-\u2112\u2115'
      '\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u2130-\u2133\u213e-\u213f\u2145\u2183\u2c00-\u2c2f\u2c60'
      '\u2c62-\u2c64\u2c67\u2c69\u2c6b\u2c6d-\u2c70\u2c72\u2c75\u2c7e-\u2c80\u2c82\u2c84\u2c86\u2c88\u2c8a\u2c8c'
      '\u2c8e\u2c90\u2c92\u2c94\u2c96\u2c98\u2c9a\u2c9c\u2c9e\u2ca0\u2ca2\u2ca4\u2ca6\u2ca8\u2caa\u2cac\u2cae'
      '\u2cb0\u2cb2\u2cb4\u2cb6\u2cb8\u2cba\u2cbc\u2cbe\u2cc0\u2cc2\u2cc4\u2cc6\u2cc8\u2cca\u2ccc\u2cce\u2cd0'
      '\u2cd2\u2cd4\u2cd6\u2cd8\u2cda\u2cdc\u2cde\u2ce0\u2ce2\u2ceb\u2ced\u2cf2\ua640\ua642\ua644\ua646\ua648'
      '\ua64a\ua64c\ua64e\ua650\ua652\ua654\ua656\ua658\ua65a\ua65c\ua65e\ua660\ua662\ua664\ua666\ua668\ua66a'
      '\ua66c\ua680\ua682\ua684\ua686\ua688\ua68a\ua68c\ua68e\ua690\ua692\ua694\ua696\ua698\ua69a\ua722\ua724'
      '\ua726\ua728\ua72a\ua72c\ua72e\ua732\ua734\ua736\ua738\ua73a\ua73c\ua73e\ua740\ua742\ua744\ua746\ua748'
      '\ua74a\ua74c\ua74e\ua750\ua752\ua754\ua756\ua758\ua75a\ua75c\ua75e\ua760\ua762\ua764\ua766\ua768\ua76a'
      '\ua76c\ua76e\ua779\ua77b\ua77d-\ua77e\ua780\ua782\ua784\ua786\ua78b\ua78d\ua790\ua792\ua796\ua798\ua79a'
      '\ua79c\ua79e\ua7a0\ua7a2\ua7a4\ua7a6\ua7a8\ua7aa-\ua7ae\ua7b0-\ua7b4\ua7b6\ua7b8\ua7ba\ua7bc\ua7be\ua7c0'
      '\ua7c2\ua7c4-\ua7c7\ua7c9\ua7cb-\ua7cc\ua7ce\ua7d0\ua7d2\ua7d4\ua7d6\ua7d8\ua7da\ua7dc\ua7f5\uff21-\uff3a'
      '\U00010400-\U00010427\U000104b0-\U000104d3\U00010570-\U0001057a\U0001057c-\U0001058a\U0001058c-\U00010592'
      '\U00010594-\U00010595\U00010c80-\U00010cb2\U00010d50-\U00010d65\U000118a0-\U000118bf\U00016e40-\U00016e5f'
      '\U00016ea0-\U00016eb8\U0001d400-\U0001d419\U0001d434-\U0001d44d\U0001d468-\U0001d481\U0001d49c'
      '\U0001d49e-\U0001d49f\U0001d4a2\U0001d4a5-\U0001d4a6\U0001d4a9-\U0001d4ac\U0001d4ae-\U0001d4b5'
      '\U0001d4d0-\U0001d4e9\U0001d504-\U0001d505\U0001d507-\U0001d50a\U0001d50d-\U0001d514\U0001d516-\U0001d51c'
      '\U0001d538-\U0001d539\U0001d53b-\U0001d53e\U0001d540-\U0001d544\U0001d546\U0001d54a-\U0001d550'
      '\U0001d56c-\U0001d585\U0001d5a0-\U0001d5b9\U0001d5d4-\U0001d5ed\U0001d608-\U0001d621\U0001d63c-\U0001d655'
      '\U0001d670-\U0001d689\U0001d6a8-\U0001d6c0\U0001d6e2-\U0001d6fa\U0001d71c-\U0001d734\U0001d756-\U0001d76e'
      '\U0001d790-\U0001d7a8\U0001d7ca\U0001e900-\U0001e921'
    when 'Ll' then
      'a-z\u00b5\u00df-\u00f6\u00f8-\u00ff\u0101\u0103\u0105\u0107\u0109\u010b\u010d\u010f\u0111\u0113\u0115'
      '\u0117\u0119\u011b\u011d\u011f\u0121\u0123\u0125\u0127\u0129\u012b\u012d\u012f\u0131\u0133\u0135'
      '\u0137-\u0138\u013a\u013c\u013e\u0140\u0142\u0144\u0146\u0148-\u0149\u014b\u014d\u014f\u0151\u0153\u0155'
      '\u0157\u0159\u015b\u015d\u015f\u0161\u0163\u0165\u0167\u0169\u016b\u016d\u016f\u0171\u0173\u0175\u0177'
      '\u017a\u017c\u017e-\u0180\u0183\u0185\u0188\u018c-\u018d\u0192\u0195\u0199-\u019b\u019e\u01a1\u01a3\u01a5'
      '\u01a8\u01aa-\u01ab\u01ad\u01b0\u01b4\u01b6\u01b9-\u01ba\u01bd-\u01bf\u01c6\u01c9\u01cc\u01ce\u01d0\u01d2'
      '\u01d4\u01d6\u01d8\u01da\u01dc-\u01dd\u01df\u01e1\u01e3\u01e5\u01e7\u01e9\u01eb\u01ed\u01ef-\u01f0\u01f3'
      '\u01f5\u01f9\u01fb\u01fd\u01ff\u0201\u0203\u0205\u0207\u0209\u020b\u020d\u020f\u0211\u0213\u0215\u0217'
      '\u0219\u021b\u021d\u021f\u0221\u0223\u0225\u0227\u0229\u022b\u022d\u022f\u0231\u0233-\u0239\u023c'
      '\u023f-\u0240\u0242\u0247\u0249\u024b\u024d\u024f-\u0293\u0296-\u02af\u0371\u0373\u0377\u037b-\u037d\u0390'
      '\u03ac-\u03ce\u03d0-\u03d1\u03d5-\u03d7\u03d9\u03db\u03dd\u03df\u03e1\u03e3\u03e5\u03e7\u03e9\u03eb\u03ed'
      '\u03ef-\u03f3\u03f5\u03f8\u03fb-\u03fc\u0430-\u045f\u0461\u0463\u0465\u0467\u0469\u046b\u046d\u046f\u0471'
      '\u0473\u0475\u0477\u0479\u047b\u047d\u047f\u0481\u048b\u048d\u048f\u0491\u0493\u0495\u0497\u0499\u049b'
      '\u049d\u049f\u04a1\u04a3\u04a5\u04a7\u04a9\u04ab\u04ad\u04af\u04b1\u04b3\u04b5\u04b7\u04b9\u04bb\u04bd'
      '\u04bf\u04c2\u04c4\u04c6\u04c8\u04ca\u04cc\u04ce-\u04cf\u04d1\u04d3\u04d5\u04d7\u04d9\u04db\u04dd\u04df'
      '\u04e1\u04e3\u04e5\u04e7\u04e9\u04eb\u04ed\u04ef\u04f1\u04f3\u04f5\u04f7\u04f9\u04fb\u04fd\u04ff\u0501'
      '\u0503\u0505\u0507\u0509\u050b\u050d\u050f\u0511\u0513\u0515\u0517\u0519\u051b\u051d\u051f\u0521\u0523'
      '\u0525\u0527\u0529\u052b\u052d\u052f\u0560-\u0588\u10d0-\u10fa\u10fd-\u10ff\u13f8-\u13fd\u1c80-\u1c88'
      '\u1c8a\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e01\u1e03\u1e05\u1e07\u1e09\u1e0b\u1e0d\u1e0f\u1e11\u1e13'
      '\u1e15\u1e17\u1e19\u1e1b\u1e1d\u1e1f\u1e21\u1e23\u1e25\u1e27\u1e29\u1e2b\u1e2d\u1e2f\u1e31\u1e33\u1e35'
      '\u1e37\u1e39\u1e3b\u1e3d\u1e3f\u1e41\u1e43\u1e45\u1e47\u1e49\u1e4b\u1e4d\u1e4f\u1e51\u1e53\u1e55\u1e57'
      '\u1e59\u1e5b\u1e5d\u1e5f\u1e61\u1e63\u1e65\u1e67\u1e69\u1e6b\u1e6d\u1e6f\u1e71\u1e73\u1e75\u1e77\u1e79'
      '\u1e7b\u1e7d\u1e7f\u1e81\u1e83\u1e85\u1e87\u1e89\u1e8b\u1e8d\u1e8f\u1e91\u1e93\u1e95-\u1e9d\u1e9f\u1ea1'
      '\u1ea3\u1ea5\u1ea7\u1ea9\u1eab\u1ead\u1eaf\u1eb1\u1eb3\u1eb5\u1eb7\u1eb9\u1ebb\u1ebd\u1ebf\u1ec1\u1ec3'
      '\u1ec5\u1ec7\u1ec9\u1ecb\u1ecd\u1ecf\u1ed1\u1ed3\u1ed5\u1ed7\u1ed9\u1edb\u1edd\u1edf\u1ee1\u1ee3\u1ee5'
      '\u1ee7\u1ee9\u1eeb\u1eed\u1eef\u1ef1\u1ef3\u1ef5\u1ef7\u1ef9\u1efb\u1efd\u1eff-\u1f07\u1f10-\u1f15'
      '\u1f20-\u1f27\u1f30-\u1f37\u1f40-\u1f45\u1f50-\u1f57\u1f60-\u1f67\u1f70-\u1f7d\u1f80-\u1f87\u1f90-\u1f97'
      '\u1fa0-\u1fa7\u1fb0-\u1fb4\u1fb6-\u1fb7\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fc7\u1fd0-\u1fd3\u1fd6-\u1fd7'
      '\u1fe0-\u1fe7\u1ff2-\u1ff4\u1ff6-\u1ff7\u210a\u210e-\u210f\u2113\u212f\u2134\u2139\u213c-\u213d'
      '\u2146-\u2149\u214e\u2184\u2c30-\u2c5f\u2c61\u2c65-\u2c66\u2c68\u2c6a\u2c6c\u2c71\u2c73-\u2c74'
      '\u2c76-\u2c7b\u2c81\u2c83\u2c85\u2c87\u2c89\u2c8b\u2c8d\u2c8f\u2c91\u2c93\u2c95\u2c97\u2c99\u2c9b\u2c9d'
      '\u2c9f\u2ca1\u2ca3\u2ca5\u2ca7\u2ca9\u2cab\u2cad\u2caf\u2cb1\u2cb3\u2cb5\u2cb7\u2cb9\u2cbb\u2cbd\u2cbf'
      '\u2cc1\u2cc3\u2cc5\u2cc7\u2cc9\u2ccb\u2ccd\u2ccf\u2cd1\u2cd3\u2cd5\u2cd7\u2cd9\u2cdb\u2cdd\u2cdf\u2ce1'
      '\u2ce3-\u2ce4\u2cec\u2cee\u2cf3\u2d00-\u2d25\u2d27\u2d2d\ua641\ua643\ua645\ua647\ua649\ua64b\ua64d\ua64f'
      '\ua651\ua653\ua655\ua657\ua659\ua65b\ua65d\ua65f\ua661\ua663\ua665\ua667\ua669\ua66b\ua66d\ua681\ua683'
      '\ua685\ua687\ua689\ua68b\ua68d\ua68f\ua691\ua693\ua695\ua697\ua699\ua69b\ua723\ua725\ua727\ua729\ua72b'
      '\ua72d\ua72f-\ua731\ua733\ua735\ua737\ua739\ua73b\ua73d\ua73f\ua741\ua743\ua745\ua747\ua749\ua74b\ua74d'
      '\ua74f\ua751\ua753\ua755\ua757\ua759\ua75b\ua75d\ua75f\ua761\ua763\ua765\ua767\ua769\ua76b\ua76d\ua76f'
      '\ua771-\ua778\ua77a\ua77c\ua77f\ua781\ua783\ua785\ua787\ua78c\ua78e\ua791\ua793-\ua795\ua797\ua799\ua79b'
      '\ua79d\ua79f\ua7a1\ua7a3\ua7a5\ua7a7\ua7a9\ua7af\ua7b5\ua7b7\ua7b9\ua7bb\ua7bd\ua7bf\ua7c1\ua7c3\ua7c8'
      '\ua7ca\ua7cd\ua7cf\ua7d1\ua7d3\ua7d5\ua7d7\ua7d9\ua7db\ua7f6\ua7fa\uab30-\uab5a\uab60-\uab68\uab70-\uabbf'
      '\ufb00-\ufb06\ufb13-\ufb17\uff41-\uff5a\U00010428-\U0001044f\U000104d8-\U000104fb\U00010597-\U000105a1'
      '\U000105a3-\U000105b1\U000105b3-\U000105b9\U000105bb-\U000105bc\U00010cc0-\U00010cf2\U00010d70-\U00010d85'
      '\U000118c0-\U000118df\U00016e60-\U00016e7f\U00016ebb-\U00016ed3\U0001d41a-\U0001d433\U0001d44e-\U0001d454'
      '\U0001d456-\U0001d467\U0001d482-\U0001d49b\U0001d4b6-\U0001d4b9\U0001d4bb\U0001d4bd-\U0001d4c3'
      '\U0001d4c5-\U0001d4cf\U0001d4ea-\U0001d503\U0001d51e-\U0001d537\U0001d552-\U0001d56b\U0001d586-\U0001d59f'
      '\U0001d5ba-\U0001d5d3\U0001d5ee-\U0001d607\U0001d622-\U0001d63b\U0001d656-\U0001d66f\U0001d68a-\U0001d6a5'
      '\U0001d6c2-\U0001d6da\U0001d6dc-\U0001d6e1\U0001d6fc-\U0001d714\U0001d716-\U0001d71b\U0001d736-\U0001d74e'
      '\U0001d750-\U0001d755\U0001d770-\U0001d788\U0001d78a-\U0001d78f\U0001d7aa-\U0001d7c2\U0001d7c4-\U0001d7c9'
      '\U0001d7cb\U0001df00-\U0001df09\U0001df0b-\U0001df1e\U0001df25-\U0001df2a\U0001e922-\U0001e943'
    when 'N' then
      '0-9\u00b2-\u00b3\u00b9\u00bc-\u00be\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef'
      '\u09f4-\u09f9\u0a66-\u0a6f\u0ae6-\u0aef\u0b66-\u0b6f\u0b72-\u0b77\u0be6-\u0bf2\u0c66-\u0c6f\u0c78-\u0c7e'
      '\u0ce6-\u0cef\u0d58-\u0d5e\u0d66-\u0d78\u0de6-\u0def\u0e50-\u0e59\u0ed0-\u0ed9\u0f20-\u0f33\u1040-\u1049'
      '\u1090-\u1099\u1369-\u137c\u16ee-\u16f0\u17e0-\u17e9\u17f0-\u17f9\u1810-\u1819\u1946-\u194f\u19d0-\u19da'
      '\u1a80-\u1a89\u1a90-\u1a99\u1b50-\u1b59\u1bb0-\u1bb9\u1c40-\u1c49\u1c50-\u1c59\u2070\u2074-\u2079'
      '\u2080-\u2089\u2150-\u2182\u2185-\u2189\u2460-\u249b\u24ea-\u24ff\u2776-\u2793\u2cfd\u3007\u3021-\u3029'
      '\u3038-\u303a\u3192-\u3195\u3220-\u3229\u3248-\u324f\u3251-\u325f\u3280-\u3289\u32b1-\u32bf\ua620-\ua629'
      '\ua6e6-\ua6ef\ua830-\ua835\ua8d0-\ua8d9\ua900-\ua909\ua9d0-\ua9d9\ua9f0-\ua9f9\uaa50-\uaa59\uabf0-\uabf9'
      '\uff10-\uff19\U00010107-\U00010133\U00010140-\U00010178\U0001018a-\U0001018b\U000102e1-\U000102fb'
      '\U00010320-\U00010323\U00010341\U0001034a\U000103d1-\U000103d5\U000104a0-\U000104a9\U00010858-\U0001085f'
      '\U00010879-\U0001087f\U000108a7-\U000108af\U000108fb-\U000108ff\U00010916-\U0001091b\U000109bc-\U000109bd'
      '\U000109c0-\U000109cf\U000109d2-\U000109ff\U00010a40-\U00010a48\U00010a7d-\U00010a7e\U00010a9d-\U00010a9f'
      '\U00010aeb-\U00010aef\U00010b58-\U00010b5f\U00010b78-\U00010b7f\U00010ba9-\U00010baf\U00010cfa-\U00010cff'
      '\U00010d30-\U00010d39\U00010d40-\U00010d49\U00010e60-\U00010e7e\U00010f1d-\U00010f26\U00010f51-\U00010f54'
      '\U00010fc5-\U00010fcb\U00011052-\U0001106f\U000110f0-\U000110f9\U00011136-\U0001113f\U000111d0-\U000111d9'
      '\U000111e1-\U000111f4\U000112f0-\U000112f9\U00011450-\U00011459\U000114d0-\U000114d9\U00011650-\U00011659'
      '\U000116c0-\U000116c9\U000116d0-\U000116e3\U00011730-\U0001173b\U000118e0-\U000118f2\U00011950-\U00011959'
      '\U00011bf0-\U00011bf9\U00011c50-\U00011c6c\U00011d50-\U00011d59\U00011da0-\U00011da9\U00011de0-\U00011de9'
      '\U00011f50-\U00011f59\U00011fc0-\U00011fd4\U00012400-\U0001246e\U00016130-\U00016139\U00016a60-\U00016a69'
      '\U00016ac0-\U00016ac9\U00016b50-\U00016b59\U00016b5b-\U00016b61\U00016d70-\U00016d79\U00016e80-\U00016e96'
      '\U00016ff4-\U00016ff6\U0001ccf0-\U0001ccf9\U0001d2c0-\U0001d2d3\U0001d2e0-\U0001d2f3\U0001d360-\U0001d378'
      '\U0001d7ce-\U0001d7ff\U0001e140-\U0001e149\U0001e2f0-\U0001e2f9\U0001e4f0-\U0001e4f9\U0001e5f1-\U0001e5fa'
      '\U0001e8c7-\U0001e8cf\U0001e950-\U0001e959\U0001ec71-\U0001ecab\U0001ecad-\U0001ecaf\U0001ecb1-\U0001ecb4'
      '\U0001ed01-\U0001ed2d\U0001ed2f-\U0001ed3d\U0001f100-\U0001f10c\U0001fbf0-\U0001fbf9'
    when 'Nd' then
      '0-9\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef\u0a66-\u0a6f\u0ae6-\u0aef'
      '\u0b66-\u0b6f\u0be6-\u0bef\u0c66-\u0c6f\u0ce6-\u0cef\u0d66-\u0d6f\u0de6-\u0def\u0e50-\u0e59\u0ed0-\u0ed9'
      '\u0f20-\u0f29\u1040-\u1049\u1090-\u1099\u17e0-\u17e9\u1810-\u1819\u1946-\u194f\u19d0-\u19d9\u1a80-\u1a89'
      '\u1a90-\u1a99\u1b50-\u1b59\u1bb0-\u1bb9\u1c40-\u1c49\u1c50-\u1c59\ua620-\ua629\ua8d0-\ua8d9\ua900-\ua909'
      '\ua9d0-\ua9d9\ua9f0-\ua9f9\uaa50-\uaa59\uabf0-\uabf9\uff10-\uff19\U000104a0-\U000104a9'
      '\U00010d30-\U00010d39\U00010d40-\U00010d49\U00011066-\U0001106f\U000110f0-\U000110f9\U00011136-\U0001113f'
      '\U000111d0-\U000111d9\U000112f0-\U000112f9\U00011450-\U00011459\U000114d0-\U000114d9\U00011650-\U00011659'
      '\U000116c0-\U000116c9\U000116d0-\U000116e3\U00011730-\U00011739\U000118e0-\U000118e9\U00011950-\U00011959'
      '\U00011bf0-\U00011bf9\U00011c50-\U00011c59\U00011d50-\U00011d59\U00011da0-\U00011da9\U00011de0-\U00011de9'
      '\U00011f50-\U00011f59\U00016130-\U00016139\U00016a60-\U00016a69\U00016ac0-\U00016ac9\U00016b50-\U00016b59'
      '\U00016d70-\U00016d79\U0001ccf0-\U0001ccf9\U0001d7ce-\U0001d7ff\U0001e140-\U0001e149\U0001e2f0-\U0001e2f9'
      '\U0001e4f0-\U0001e4f9\U0001e5f1-\U0001e5fa\U0001e950-\U0001e959\U0001fbf0-\U0001fbf9'
    when 'P' then
      '\u0021-\u0023\u0025-\u002a\u002c-\u002f\u003a-\u003b\u003f-\u0040\u005b-\u005d\u005f\u007b\u007d\u00a1'
      '\u00a7\u00ab\u00b6-\u00b7\u00bb\u00bf\u037e\u0387\u055a-\u055f\u0589-\u058a\u05be\u05c0\u05c3\u05c6'
      '\u05f3-\u05f4\u0609-\u060a\u060c-\u060d\u061b\u061d-\u061f\u066a-\u066d\u06d4\u0700-\u070d\u07f7-\u07f9'
      '\u0830-\u083e\u085e\u0964-\u0965\u0970\u09fd\u0a76\u0af0\u0c77\u0c84\u0df4\u0e4f\u0e5a-\u0e5b\u0f04-\u0f12'
      '\u0f14\u0f3a-\u0f3d\u0f85\u0fd0-\u0fd4\u0fd9-\u0fda\u104a-\u104f\u10fb\u1360-\u1368\u1400\u166e'
      '\u169b-\u169c\u16eb-\u16ed\u1735-\u1736\u17d4-\u17d6\u17d8-\u17da\u1800-\u180a\u1944-\u1945\u1a1e-\u1a1f'
      '\u1aa0-\u1aa6\u1aa8-\u1aad\u1b4e-\u1b4f\u1b5a-\u1b60\u1b7d-\u1b7f\u1bfc-\u1bff\u1c3b-\u1c3f\u1c7e-\u1c7f'
      '\u1cc0-\u1cc7\u1cd3\u2010-\u2027\u2030-\u2043\u2045-\u2051\u2053-\u205e\u207d-\u207e\u208d-\u208e'
      '\u2308-\u230b\u2329-\u232a\u2768-\u2775\u27c5-\u27c6\u27e6-\u27ef\u2983-\u2998\u29d8-\u29db\u29fc-\u29fd'
      '\u2cf9-\u2cfc\u2cfe-\u2cff\u2d70\u2e00-\u2e2e\u2e30-\u2e4f\u2e52-\u2e5d\u3001-\u3003\u3008-\u3011'
      '\u3014-\u301f\u3030\u303d\u30a0\u30fb\ua4fe-\ua4ff\ua60d-\ua60f\ua673\ua67e\ua6f2-\ua6f7\ua874-\ua877'
      '\ua8ce-\ua8cf\ua8f8-\ua8fa\ua8fc\ua92e-\ua92f\ua95f\ua9c1-\ua9cd\ua9de-\ua9df\uaa5c-\uaa5f\uaade-\uaadf'
      '\uaaf0-\uaaf1\uabeb\ufd3e-\ufd3f\ufe10-\ufe19\ufe30-\ufe52\ufe54-\ufe61\ufe63\ufe68\ufe6a-\ufe6b'
      '\uff01-\uff03\uff05-\uff0a\uff0c-\uff0f\uff1a-\uff1b\uff1f-\uff20\uff3b-\uff3d\uff3f\uff5b\uff5d'
      '\uff5f-\uff65\U00010100-\U00010102\U0001039f\U000103d0\U0001056f\U00010857\U0001091f\U0001093f'
      '\U00010a50-\U00010a58\U00010a7f\U00010af0-\U00010af6\U00010b39-\U00010b3f\U00010b99-\U00010b9c\U00010d6e'
      '\U00010ead\U00010ed0\U00010f55-\U00010f59\U00010f86-\U00010f89\U00011047-\U0001104d\U000110bb-\U000110bc'
      '\U000110be-\U000110c1\U00011140-\U00011143\U00011174-\U00011175\U000111c5-\U000111c8\U000111cd\U000111db'
      '\U000111dd-\U000111df\U00011238-\U0001123d\U000112a9\U000113d4-\U000113d5\U000113d7-\U000113d8'
      '\U0001144b-\U0001144f\U0001145a-\U0001145b\U0001145d\U000114c6\U000115c1-\U000115d7\U00011641-\U00011643'
      '\U00011660-\U0001166c\U000116b9\U0001173c-\U0001173e\U0001183b\U00011944-\U00011946\U000119e2'
      '\U00011a3f-\U00011a46\U00011a9a-\U00011a9c\U00011a9e-\U00011aa2\U00011b00-\U00011b09\U00011be1'
      '\U00011c41-\U00011c45\U00011c70-\U00011c71\U00011ef7-\U00011ef8\U00011f43-\U00011f4f\U00011fff'
      '\U00012470-\U00012474\U00012ff1-\U00012ff2\U00016a6e-\U00016a6f\U00016af5\U00016b37-\U00016b3b\U00016b44'
      '\U00016d6d-\U00016d6f\U00016e97-\U00016e9a\U00016fe2\U0001bc9f\U0001da87-\U0001da8b\U0001e5ff'
      '\U0001e95e-\U0001e95f'
  end
  from (select regexp_replace(unicode_class.property, '^(General_Category|gc)=', '')) as n (name);
end;
comment on function attune_private.unicode_class(text) is
  'The characters of a general category of Unicode (L, Lu, Ll, N, Nd, P, or their long names) as the inside of a '
  'bracket expression; NULL for any other property.';
revoke all on function attune_private.unicode_class(text) from public;
--! EndIncluded json-schema/private/unicode_class.sql
--! Included json-schema/private/json_schema_regex.sql
-- The two dialects share most of their syntax. What is written alike but means something else is
-- rewritten here, and what has no counterpart raises, so that no pattern is taken for another one.
create or replace function attune_private.json_schema_regex(pattern text)
returns text
language plpgsql immutable parallel safe strict
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Both begin and end with a range, so that neither can become the end of another range.
  spaces constant text := '\u2000-\u200a \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff\t-\r';
  others constant text := '\u0001-\u0008\u000e-\u001f!-\u009f\u00a1-\u167f\u1681-\u1fff\u200b-\u2027'
    '\u202a-\u202e\u2030-\u205e\u2060-\u2fff\u3001-\ufefe\uff00-\U0010ffff';
  -- An option that changes nothing, so that the pattern itself cannot begin with options or a director.
  regex text := '(?c)';
  token text;
  previous text := '';
  class text;
  in_class boolean := false;
begin
  for token in
    select t.parts[1]
    from regexp_matches(
      pattern,
      '\(\?<[a-zA-Z_$][a-zA-Z0-9_$]*>|\\[pP]\{[a-zA-Z_=]+\}|'
      '\\x[[:xdigit:]]{2}|\\u[[:xdigit:]]{4}|\\c[a-zA-Z]|\\.|\[\^?|\(\?|[^][\\(.]+|.',
      'g'
    ) as t (parts)
  loop
    class := case
      when token ~ '^\\[pP]\{' then attune_private.unicode_class(substring(token from '^\\[pP]\{(.*)\}$'))
    end;
    if class is null
      and token like '\\%'
      and token !~ '^\\([dDwWsSbBtnvfr]|c[a-zA-Z]|x..|u(?![dD][89a-fA-F])....|[^a-zA-Z0-9])$'
      or in_class and (token = '\B' or token like '\\P%')
      or in_class and token = ']' and previous in ('[', '[^')
      or not in_class and previous = '(?' and token !~ '^([:=!]|<[=!])'
    then
      raise exception using
        errcode = 'invalid_regular_expression',
        message = format(
          'invalid regular expression: %s is not supported',
          case when token like '\\%' then token else previous || left(token, 1) end
        );
    end if;

    -- Beside what is no single character, a hyphen begins no range.
    if in_class and token ~ '^\\[dDwWsSpP]' and regex ~ '[^\\]-$' then
      regex := left(regex, -1) || '\-';
    elsif in_class and token like '-%' and previous ~ '^\\[dDwWsSpP]' then
      token := '\' || token;
    end if;

    regex := regex || case
      when token like '(?<%' and token like '%>' then '('
      when class is not null then case
        when in_class then class
        when token like '\\P%' then '[^' || class || ']'
        else '[' || class || ']'
      end
      when token like '\\x%' then '\u00' || substr(token, 3)
      when in_class then case
        when token = '\s' then spaces
        when token = '\S' then others
        when token like '[%' then replace(token, '[', '\[')
        -- Nor does one that follows a range.
        else regexp_replace(token, '([^-\\]-[^-])-', '\1\\-', 'g')
      end
      else case token
        when '\s' then '[' || spaces || ']'
        when '\S' then '[^' || spaces || ']'
        when '\b' then '\y'
        when '\B' then '\Y'
        when '.' then '[^\n\r\u2028\u2029]'
        else token
      end
    end;
    in_class := token <> ']' and (in_class or token in ('[', '[^'));
    previous := token;
  end loop;

  return regex;
end;
$$;
comment on function attune_private.json_schema_regex(text) is
  'A `pattern` (ECMA-262, with its u flag) as the regular expression of Postgres that matches the same under '
  'collation "C". Raises invalid_regular_expression, naming the construct, for what Postgres cannot say; what it '
  'returns may still not compile.';
revoke all on function attune_private.json_schema_regex(text) from public;
--! EndIncluded json-schema/private/json_schema_regex.sql
--! Included json-schema/private/json_schema_target.sql
create or replace function attune_private.json_schema_target(root jsonb, reference text)
returns jsonb
language sql immutable parallel safe security invoker
begin atomic
  select json_schema_target.root #> attune_private.json_pointer_path(
    attune_private.percent_decoded(substr(json_schema_target.reference, 2))
  )
  where json_schema_target.reference ~ '^#(/|$)';
end;
comment on function attune_private.json_schema_target(jsonb, text) is
  'What a reference into the schema at the root, `#` or `#/$defs/name`, leads to; NULL when nowhere.';
revoke all on function attune_private.json_schema_target(jsonb, text) from public;
--! EndIncluded json-schema/private/json_schema_target.sql
--! Included json-schema/private/json_schema_format.sql
create or replace function attune_private.json_schema_format(format text, content text)
returns boolean
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  parts text[];
  rest text;
  previous text;
begin
  case json_schema_format.format
    when 'date' then
      parts := regexp_match(content, '^([0-9]{4})-(0[1-9]|1[0-2])-([0-2][0-9]|3[01])$');
      return parts is not null and parts[3]::integer between 1 and case
        when parts[2] in ('04', '06', '09', '11') then 30
        when parts[2] <> '02' then 31
        when parts[1]::integer % 4 = 0 and (parts[1]::integer % 100 <> 0 or parts[1]::integer % 400 = 0) then 29
        else 28
      end;
    when 'time' then
      parts := regexp_match(
        content,
        '^([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.[0-9]+)?(?:[zZ]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))$'
      );
      -- A leap second is the last one of a day in UTC.
      return parts is not null and (
        parts[3] <> '60'
        or (
          parts[1]::integer * 60 + parts[2]::integer + 1440
          - coalesce((parts[4] || '1')::integer * (parts[5]::integer * 60 + parts[6]::integer), 0)
        ) % 1440 = 1439
      );
    when 'date-time' then
      return content ~ '^.{10}[tT]'
        and attune_private.json_schema_format('date', left(content, 10))
        and attune_private.json_schema_format('time', substr(content, 12));
    when 'duration' then
      return content ~ ('^P('
        '[0-9]+W'
        '|(?=[0-9T])([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)?'
        '(T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))?'
        ')$');
    when 'email' then
      parts := regexp_match(content, '^([^@"]+|"(?:[^"\\[:cntrl:]]|\\[^[:cntrl:]])*")@([^@]+)$');
      return parts is not null
        and (parts[1] ~ '^"' or parts[1] ~ '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*$')
        and case
          when parts[2] ~* '^\[ipv6:.*\]$' then attune_private.json_schema_format('ipv6', substr(parts[2], 7, length(parts[2]) - 7))
          when parts[2] ~ '^\[.*\]$' then attune_private.json_schema_format('ipv4', substr(parts[2], 2, length(parts[2]) - 2))
          else attune_private.json_schema_format('hostname', parts[2])
        end;
    when 'hostname' then
      return char_length(content) <= 253
        and content ~ '^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$';
    when 'ipv4' then
      return content ~ '^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.(?!$)|$)){4}$';
    when 'ipv6' then
      -- An IPv4 address at the end stands for the last two groups.
      parts := regexp_match(content, '^(.*:)([0-9.]+\.[0-9.]+)$');
      if parts is not null then
        return attune_private.json_schema_format('ipv4', parts[2])
          and attune_private.json_schema_format('ipv6', parts[1] || '0:0');
      end if;
      return content ~ '^[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4}){7}$'
        or (
          content ~ '^([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*)?::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*)?$'
          and (select count(*) from regexp_matches(content, '[0-9A-Fa-f]+', 'g')) <= 7
        );
    when 'uri' then
      return content ~ format(
        '^[A-Za-z][A-Za-z0-9+.-]*:(//((%1$s)*@)?(\[[0-9A-Fa-fv:.]+\]|(%2$s)*)(:[0-9]*)?(/(%3$s)*)*|(?!//)(%3$s|/)*)(\?(%3$s|[/?])*)?(#(%3$s|[/?])*)?$',
        '[A-Za-z0-9._~!$&''()*+,;=:-]|%[[:xdigit:]]{2}',
        '[A-Za-z0-9._~!$&''()*+,;=-]|%[[:xdigit:]]{2}',
        '[A-Za-z0-9._~!$&''()*+,;=:@-]|%[[:xdigit:]]{2}'
      );
    when 'uuid' then
      return content ~ '^[[:xdigit:]]{8}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{12}$';
    when 'regex' then
      -- Its escapes are known, its groups and classes are balanced, its quantifiers have something to repeat.
      if content ~ '(?<!\\)(\\\\)*\\([aeghijlmoqyzACEFGHIJKLMNOQRTUVXYZ]|$)' then
        return false;
      end if;
      rest := regexp_replace(regexp_replace(content, '\\.', 'x', 'g'), '\[[^]]*\]', 'x', 'g');
      while rest ~ '\([^()]*\)' loop
        exit when rest ~ '\((?!\?(:|=|!|<[=!]|<[A-Za-z_$][A-Za-z0-9_$]*>))\?[^()]*\)';
        rest := regexp_replace(rest, '\((\?(:|=|!|<[=!]|<[A-Za-z_$][A-Za-z0-9_$]*>))?(?![*+?])([^()|*+?]|(?<![|])[*+?]|\|(?![*+?]))*\)', 'x', 'g');
        exit when rest = previous;
        previous := rest;
      end loop;
      return rest !~ '[()[]|^[*+?]|\|[*+?]|[*+?][*+]|\?\?\?';
    else
      return true;
  end case;
end;
$$;
comment on function attune_private.json_schema_format(text, text) is
  'Whether a text has a format: `date`, `time`, `date-time`, `duration`, `email`, `hostname`, `ipv4`, `ipv6`, `uri`, '
  '`uuid`, `regex`. Any other format takes every text.';
revoke all on function attune_private.json_schema_format(text, text) from public;
--! EndIncluded json-schema/private/json_schema_format.sql
--! Included json-schema/private/json_schema_evaluated.sql
-- Draft 2020-12 has this as annotations that go along with every verdict. Few schemas ask for it, so it is
-- found out on its own where one does, and all the others are spared the bookkeeping.
create or replace function attune_private.json_schema_evaluated(root jsonb, schema jsonb, value jsonb, depth integer)
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  names text[] := '{}';
  branch jsonb;
begin
  if jsonb_typeof(schema) <> 'object' then
    return names;
  end if;

  names := array(
    select m.name
    from attune_private.json_children(value) as m
    where case jsonb_typeof(value)
      when 'object' then schema -> 'properties' ? m.name
        or schema ?| '{additionalProperties,unevaluatedProperties}'
        or exists (
          select from jsonb_object_keys(schema -> 'patternProperties') as p (pattern)
          where m.name collate "C" ~ attune_private.json_schema_regex(p.pattern)
        )
      else m.name::integer < jsonb_array_length(schema -> 'prefixItems')
        or schema ?| '{items,unevaluatedItems}'
        or case when schema ? 'contains' then
          attune_private.json_schema_check(root, schema -> 'contains', m.member, '', depth + 1, 1) is null
        end
    end
  );

  for branch in
    select attune_private.json_schema_target(root, schema ->> '$ref') where schema ? '$ref'
    union all
    select b.item from jsonb_array_elements(schema -> 'allOf') as b (item)
    union all
    select b.item
    from jsonb_array_elements(coalesce(schema -> 'anyOf', '[]') || coalesce(schema -> 'oneOf', '[]')) as b (item)
    where attune_private.json_schema_check(root, b.item, value, '', depth + 1, 1) is null
    union all
    select d.demand
    from jsonb_each(schema -> 'dependentSchemas') as d (given, demand)
    where jsonb_typeof(value) = 'object' and value ? d.given
    union all
    select i.item
    from (
      select case
        when not schema ? 'if' then '{}'
        when attune_private.json_schema_check(root, schema -> 'if', value, '', depth + 1, 1) is null
          then array[schema -> 'if', schema -> 'then']
        else array[schema -> 'else']
      end
    ) as c (branches)
    cross join unnest(c.branches) as i (item)
    where i.item is not null
  loop
    names := names || attune_private.json_schema_evaluated(root, branch, value, depth + 1);
  end loop;

  return names;
end;
$$;
comment on function attune_private.json_schema_evaluated(jsonb, jsonb, jsonb, integer) is
  'Which members or items of a value a schema looks at, by itself and by those of its branches that hold: all others '
  'are for `unevaluatedProperties` and `unevaluatedItems`.';
revoke all on function attune_private.json_schema_evaluated(jsonb, jsonb, jsonb, integer) from public;
--! EndIncluded json-schema/private/json_schema_evaluated.sql
--! Included json-schema/private/json_schema_check.sql
-- A function of its own, not returning a set, because it calls itself for every member, item and
-- branch: a call is then an expression, not a query.
create or replace function attune_private.json_schema_check(
  root jsonb,
  schema jsonb,
  value jsonb,
  path text,
  depth integer,
  most integer
)
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  kind constant text := jsonb_typeof(value);
  -- How many calls deep PostgreSQL's default max_stack_depth bears, and twice over.
  deepest constant integer := 256;
  errors text[];
  number numeric;

  content text;
  size integer;
  matched boolean;
  keyword text;
  name text;
  place text;
  index integer;
  member jsonb;
  subschema jsonb;
  failure text[];
  matches text[];
  reasons text[];
  evaluated text[];
  least_items numeric;
  listed text;
begin
  if jsonb_typeof(schema) = 'boolean' then
    return case schema when 'false' then array[[path, 'boolean schema is false', 'false schema']] end;
  elsif jsonb_typeof(schema) is distinct from 'object' then
    -- Raised, because "not" would make a valid value of an error that is returned.
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'a JSON Schema must be an object or a boolean',
      hint = 'Only a schema without attune_private.json_schema_problems() can be used.';
  elsif depth > deepest then
    raise exception using
      errcode = 'PT422',
      message = 'The value is nested too deeply for its schema',
      detail = 'value_too_deep',
      hint = 'Make the value flatter.';
  end if;

  if kind = 'number' then
    number := value::numeric;
  end if;

  -- After a wrong type, other errors are noise.
  if schema ? 'type'
    and (schema -> 'type' ? kind) is not true
    and (schema -> 'type' ? 'integer' and number = trunc(number)) is not true
  then
    return array[[path, 'must be ' || translate(schema ->> 'type', '[]" ', ''), 'type']];
  end if;

  if schema ?| '{enum,const}' then
    if schema ? 'const' and schema -> 'const' <> value then
      listed := schema -> 'const';
      errors := errors || array[[path, 'must be equal to constant'
        || case when length(listed) <= 200 then ': ' || listed else '' end, 'const']];
    end if;

    if schema ? 'enum' then
      -- Of a scalar, containment in an array is being one of its items; of a container it is less.
      if kind in ('object', 'array') then
        matched := exists (select from jsonb_array_elements(schema -> 'enum') as e (item) where e.item = value);
      else
        matched := schema -> 'enum' @> value;
      end if;
      if not matched then
        listed := schema ->> 'enum';
        errors := errors || array[[path, 'must be equal to one of the allowed values'
          || case when length(listed) <= 200 then ': ' || substr(listed, 2, length(listed) - 2) else '' end, 'enum']];
      end if;
    end if;
  end if;

  if kind = 'number' then
    if schema ? 'minimum' and (number >= (schema -> 'minimum')::numeric) is not true then
      errors := errors || array[[path, 'must be >= ' || (schema ->> 'minimum'), 'minimum']];
    end if;
    if schema ? 'maximum' and (number <= (schema -> 'maximum')::numeric) is not true then
      errors := errors || array[[path, 'must be <= ' || (schema ->> 'maximum'), 'maximum']];
    end if;
    if schema ? 'exclusiveMinimum' and (number > (schema -> 'exclusiveMinimum')::numeric) is not true then
      errors := errors || array[[path, 'must be > ' || (schema ->> 'exclusiveMinimum'), 'exclusiveMinimum']];
    end if;
    if schema ? 'exclusiveMaximum' and (number < (schema -> 'exclusiveMaximum')::numeric) is not true then
      errors := errors || array[[path, 'must be < ' || (schema ->> 'exclusiveMaximum'), 'exclusiveMaximum']];
    end if;
    if schema ? 'multipleOf' and (number % (schema -> 'multipleOf')::numeric = 0) is not true then
      errors := errors || array[[path, 'must be multiple of ' || (schema ->> 'multipleOf'), 'multipleOf']];
    end if;

  elsif kind = 'string' then
    content := value #>> '{}';
    if schema ? 'minLength' and (char_length(content) >= (schema -> 'minLength')::numeric) is not true then
      errors := errors || array[[path, format('must NOT have fewer than %s characters', schema ->> 'minLength'), 'minLength']];
    end if;
    if schema ? 'maxLength' and (char_length(content) <= (schema -> 'maxLength')::numeric) is not true then
      errors := errors || array[[path, format('must NOT have more than %s characters', schema ->> 'maxLength'), 'maxLength']];
    end if;
    if schema ? 'pattern'
      and (content collate "C" ~ attune_private.json_schema_regex(schema ->> 'pattern')) is not true
    then
      errors := errors || array[[path, format('must match pattern "%s"', schema ->> 'pattern'), 'pattern']];
    end if;
    if schema ? 'format'
      and root #> '{x-attune,assertFormat}' = 'true'
      and not attune_private.json_schema_format(schema ->> 'format', content)
    then
      errors := errors || array[[path, format('must match format "%s"', schema ->> 'format'), 'format']];
    end if;

  elsif kind = 'array' then
    size := jsonb_array_length(value);
    if schema ? 'minItems' and (size >= (schema -> 'minItems')::numeric) is not true then
      errors := errors || array[[path, format('must NOT have fewer than %s items', schema ->> 'minItems'), 'minItems']];
    end if;
    if schema ? 'maxItems' and (size <= (schema -> 'maxItems')::numeric) is not true then
      errors := errors || array[[path, format('must NOT have more than %s items', schema ->> 'maxItems'), 'maxItems']];
    end if;
    if schema ->> 'uniqueItems' <> 'false' then
      select array[[path, format('must NOT have duplicate items (items ## %s and %s are identical)', i.first, i.index), 'uniqueItems']]
      into failure
      from (
        select e.n - 1 as index, min(e.n) over (partition by e.item) - 1 as first
        from jsonb_array_elements(value) with ordinality as e (item, n)
      ) as i
      where i.first < i.index
      order by i.index
      limit 1;
      errors := errors || failure;
    end if;

    if schema ?| '{prefixItems,items}' then
      size := jsonb_array_length(schema -> 'prefixItems');
      for index, member in
        select e.n - 1, e.item from jsonb_array_elements(value) with ordinality as e (item, n)
      loop
        subschema := coalesce(schema -> 'prefixItems' -> index, schema -> 'items');
        exit when subschema is null or cardinality(errors) / 3 >= most;
        if index = size and subschema = 'false' then
          errors := errors || array[[path, format('must NOT have more than %s items', size), 'items']];
          exit;
        end if;
        errors := errors
          || attune_private.json_schema_check(root, subschema, member, path || '/' || index, depth + 1, most);
      end loop;
    end if;

    if schema ? 'contains' then
      size := (
        select count(*)
        from jsonb_array_elements(value) as e (item)
        where attune_private.json_schema_check(root, schema -> 'contains', e.item, '', depth + 1, 1) is null
      );
      least_items := coalesce((schema -> 'minContains')::numeric, 1);
      if size < least_items or size > (schema -> 'maxContains')::numeric then
        errors := errors || array[[path, concat(
          'must contain at least ', least_items, ' and no more than ' || (schema ->> 'maxContains'), ' valid item(s)'), 'contains']];
      end if;
    end if;

  elsif kind = 'object' then
    if schema ?| '{minProperties,maxProperties}' then
      size := (select count(*) from jsonb_object_keys(value));
      if schema ? 'minProperties' and (size >= (schema -> 'minProperties')::numeric) is not true then
        errors := errors || array[[path, format('must NOT have fewer than %s properties', schema ->> 'minProperties'), 'minProperties']];
      end if;
      if schema ? 'maxProperties' and (size <= (schema -> 'maxProperties')::numeric) is not true then
        errors := errors || array[[path, format('must NOT have more than %s properties', schema ->> 'maxProperties'), 'maxProperties']];
      end if;
    end if;
    if schema ? 'required' then
      for name in
        select r.name from jsonb_array_elements_text(schema -> 'required') as r (name) where not value ? r.name
      loop
        errors := errors || array[[path, format('must have required property ''%s''', name), 'required']];
      end loop;
    end if;

    if schema ?| '{properties,patternProperties,additionalProperties,propertyNames}' then
      for name, member in select e.key, e.value from jsonb_each(value) as e loop
        exit when cardinality(errors) / 3 >= most;
        if schema ? 'propertyNames' then
          failure := attune_private.json_schema_check(root, schema -> 'propertyNames', to_jsonb(name), '', depth + 1, 1);
          if failure is not null then
            errors := errors || array[[path, format('property name must be valid: ''%s'' %s', name, failure[1][2]), 'propertyNames']];
          end if;
        end if;

        subschema := schema -> 'properties' -> name;
        matched := subschema is not null;
        if schema ? 'patternProperties' then
          for failure in
            select attune_private.json_schema_check(
              root, p.value, member, path || attune_private.json_pointer_step(name), depth + 1, most)
            from jsonb_each(schema -> 'patternProperties') as p
            where name collate "C" ~ attune_private.json_schema_regex(p.key)
          loop
            matched := true;
            errors := errors || failure;
          end loop;
        end if;

        if not matched then
          subschema := schema -> 'additionalProperties';
          if subschema = 'false' then
            errors := errors || array[[path, format('must NOT have additional properties: ''%s''', name), 'additionalProperties']];
            continue;
          end if;
        end if;
        if subschema is not null then
          errors := errors || attune_private.json_schema_check(
            root, subschema, member, path || attune_private.json_pointer_step(name), depth + 1, most);
        end if;
      end loop;
    end if;

    if schema ?| '{dependentRequired,dependentSchemas}' then
      for name, member in
        select d.given, d.demand from jsonb_each(schema -> 'dependentRequired') as d (given, demand) where value ? d.given
      loop
        select string_agg(r.needed, ', ' order by r.n), bool_and(value ? r.needed)
        into listed, matched
        from jsonb_array_elements_text(member) with ordinality as r (needed, n);
        if not matched then
          errors := errors || array[[path, format(
            'must have %s %s when property %s is present',
            case jsonb_array_length(member) when 1 then 'property' else 'properties' end, listed, name), 'dependentRequired']];
        end if;
      end loop;
      for subschema in
        select d.demand from jsonb_each(schema -> 'dependentSchemas') as d (given, demand) where value ? d.given
      loop
        errors := errors || attune_private.json_schema_check(root, subschema, value, path, depth + 1, most);
      end loop;
    end if;
  end if;

  if schema ?| '{$ref,allOf,anyOf,oneOf,not,if}' then
    if schema ? '$ref' then
      errors := errors || attune_private.json_schema_check(
        root, attune_private.json_schema_target(root, schema ->> '$ref'), value, path, depth + 1, most);
    end if;

    for subschema in select e.item from jsonb_array_elements(schema -> 'allOf') as e (item) loop
      exit when cardinality(errors) / 3 >= most;
      errors := errors || attune_private.json_schema_check(root, subschema, value, path, depth + 1, most);
    end loop;

    -- The first error of each branch says why none matches: as rows of their own they would read as
    -- if all of them had to be mended.
    foreach keyword in array '{anyOf,oneOf}'::text[] loop
      continue when not schema ? keyword;
      matches := '{}';
      reasons := '{}';
      for index, subschema in
        select e.n - 1, e.item from jsonb_array_elements(schema -> keyword) with ordinality as e (item, n)
      loop
        failure := attune_private.json_schema_check(root, subschema, value, '', depth + 1, 1);
        if failure is null then
          matches := matches || index::text;
          exit when keyword = 'anyOf' or cardinality(matches) = 2;
        else
          reasons := reasons || ltrim(failure[1][1] || ' ' || failure[1][2]);
        end if;
      end loop;

      listed := array_to_string(reasons, ', or ');
      if matches = '{}' then
        errors := errors || array[[path,
          case keyword when 'anyOf' then 'must match a schema in anyOf' else 'must match exactly one schema in oneOf' end
          || case when length(listed) <= 200 then ': ' || listed else '' end, keyword]];
      elsif cardinality(matches) > 1 then
        errors := errors || array[[path,
          format('must match exactly one schema in oneOf (%s match)', array_to_string(matches, ' and ')), keyword]];
      end if;
    end loop;

    if schema ? 'not'
      and attune_private.json_schema_check(root, schema -> 'not', value, path, depth + 1, 1) is null
    then
      errors := errors || array[[path, 'must NOT be valid', 'not']];
    end if;

    if schema ? 'if' then
      keyword := case
        when attune_private.json_schema_check(root, schema -> 'if', value, path, depth + 1, 1) is null then 'then'
        else 'else'
      end;
      if schema ? keyword then
        errors := errors || attune_private.json_schema_check(root, schema -> keyword, value, path, depth + 1, most);
      end if;
    end if;
  end if;

  if schema ?| '{unevaluatedProperties,unevaluatedItems}' then
    keyword := case kind when 'object' then 'unevaluatedProperties' when 'array' then 'unevaluatedItems' end;
    if schema ? keyword then
      evaluated := attune_private.json_schema_evaluated(root, schema - keyword, value, depth);
      for name, member in
        select m.name, m.member from attune_private.json_children(value) as m where m.name <> all (evaluated)
      loop
        exit when cardinality(errors) / 3 >= most;
        if schema -> keyword = 'false' then
          errors := errors || array[[path, format('must NOT have %s: ''%s''',
            case kind when 'object' then 'unevaluated properties' else 'unevaluated items' end, name), keyword]];
        else
          errors := errors || attune_private.json_schema_check(
            root, schema -> keyword, member, path || attune_private.json_pointer_step(name), depth + 1, most);
        end if;
      end loop;
    end if;
  end if;

  return errors;
end;
$$;
comment on function attune_private.json_schema_check(jsonb, jsonb, jsonb, text, integer, integer) is
  'The recursion of json_schema_errors(): triples of path, message and keyword, NULL when the value is valid. root is the '
  'schema that references lead into, path where the value stands, depth how deep the calls do (`value_too_deep`); it stops '
  'soon after as many errors as most.';
revoke all on function attune_private.json_schema_check(jsonb, jsonb, jsonb, text, integer, integer) from public;
--! EndIncluded json-schema/private/json_schema_check.sql
--! Included json-schema/private/json_schema_errors.sql
create or replace function attune_private.json_schema_errors(schema jsonb, value jsonb)
returns table (path text, message text, keyword text)
language plpgsql immutable parallel safe rows 1
set search_path = pg_catalog, pg_temp
as $$
declare
  errors text[];
begin
  if schema is null or value is null then
    path := '';
    message := case when schema is null then 'schema must NOT be SQL NULL' else 'must NOT be SQL NULL' end;
    keyword := 'type';
    return next;
    return;
  end if;

  errors := attune_private.json_schema_check(schema, schema, value, '', 0, 100);
  for i in 1 .. least(coalesce(array_length(errors, 1), 0), 100) loop
    path := errors[i][1];
    message := errors[i][2];
    keyword := errors[i][3];
    return next;
  end loop;
end;
$$;
comment on function attune_private.json_schema_errors(jsonb, jsonb) is
  'What is wrong with a value by a JSON Schema (draft 2020-12, as docs/reference/json-schema.md has it): a JSON '
  'Pointer into the value, a message and the keyword for each error, the first hundred at most; no row when the value is '
  'valid. '
  'NULL is never valid. '
  'Takes a schema without json_schema_problems().';
revoke all on function attune_private.json_schema_errors(jsonb, jsonb) from public;
--! EndIncluded json-schema/private/json_schema_errors.sql
--! Included json-schema/private/value_problems.sql
create or replace function attune_private.value_problems(schema jsonb, value jsonb)
returns jsonb
language sql immutable parallel safe security invoker
begin atomic
  select jsonb_agg(
    jsonb_build_object('pointer', e.path, 'keyword', e.keyword, 'message', left(e.message, 300)) order by e.position
  )
  from attune_private.json_schema_errors(value_problems.schema, value_problems.value)
    with ordinality as e (path, message, keyword, position);
end;
comment on function attune_private.value_problems(jsonb, jsonb) is
  'What is wrong with a value, `[{pointer, keyword, message}]`, a hundred at most; NULL when it is valid.';
revoke all on function attune_private.value_problems(jsonb, jsonb) from public;
--! EndIncluded json-schema/private/value_problems.sql
--! Included json-schema/private/problems_message.sql
create or replace function attune_private.problems_message(problems jsonb)
returns text
language sql immutable parallel safe security invoker
begin atomic
  -- Ten are enough for people; the list has the others.
  select left(
    string_agg(ltrim((p.problem ->> 'pointer') || ': ' || (p.problem ->> 'message'), ': '), '; ' order by p.position), 2000
  )
  from jsonb_array_elements(problems) with ordinality as p (problem, position)
  where p.position <= 10;
end;
comment on function attune_private.problems_message(jsonb) is
  'Problems of a value as one line (`/temperature: must be <= 2; /model: must be string`); NULL when there are none.';
revoke all on function attune_private.problems_message(jsonb) from public;
--! EndIncluded json-schema/private/problems_message.sql
--! Included json-schema/private/hint_with_problems.sql
create or replace function attune_private.hint_with_problems(hint text, problems jsonb, key text default null)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select hint_with_problems.hint || E'\n' || json_agg(
    json_build_object(
      'key', coalesce(p.problem ->> 'key', hint_with_problems.key),
      'pointer', p.problem ->> 'pointer',
      'keyword', p.problem ->> 'keyword',
      'message', p.problem ->> 'message'
    )
    order by p.position
  )::text
  from (
    select e.problem, e.position, sum(octet_length(e.problem::text)) over (order by e.position) as upto
    from jsonb_array_elements(problems) with ordinality as e (problem, position)
  ) as p
  where p.position = 1
    or p.position <= 100 and p.upto <= 16384;
end;
comment on function attune_private.hint_with_problems(text, jsonb, text) is
  'The hint of a refusal with, in a second line, the problems as JSON, `[{key, pointer, keyword, message}]`: of one '
  'setting, unless they name theirs. '
  'A hundred at most, and 16 KiB.';
revoke all on function attune_private.hint_with_problems(text, jsonb, text) from public;
--! EndIncluded json-schema/private/hint_with_problems.sql
--! Included json-schema/private/refuse_values.sql
create or replace function attune_private.refuse_values(
  subject text,
  problems jsonb,
  hint text,
  key text default null
)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  listed constant text := format('%s not valid: %s', subject, attune_private.problems_message(problems));
begin
  case problems -> 0 ->> 'keyword'
    when 'x-no-secrets' then
      raise exception using
        errcode = 'PT422',
        message = listed,
        detail = 'secret_in_setting',
        hint = attune_private.hint_with_problems(
          'Store it with set_credential(provider, secret), which encrypts it and never shows it.', problems, refuse_values.key
        );

    when 'x-time-zone' then
      raise exception using
        errcode = 'PT422',
        message = listed,
        detail = 'invalid_timezone',
        hint = attune_private.hint_with_problems(
          'Send an IANA name, such as Europe/Berlin.', problems, refuse_values.key
        );

    else
      raise exception using
        errcode = 'PT422',
        message = listed,
        detail = 'invalid_value',
        hint = attune_private.hint_with_problems(refuse_values.hint, problems, refuse_values.key);
  end case;
end;
$$;
comment on function attune_private.refuse_values(text, jsonb, text, text) is
  'Refuses values with all their problems; the first says the reason: `secret_in_setting`, `invalid_timezone`, else '
  '`invalid_value`, which is the one that needs a hint.';
revoke all on function attune_private.refuse_values(text, jsonb, text, text) from public;
--! EndIncluded json-schema/private/refuse_values.sql
--! Included json-schema/private/one_problem.sql
create or replace function attune_private.one_problem(keyword text, message text)
returns jsonb
language sql immutable parallel safe security invoker
begin atomic
  select jsonb_build_array(
    jsonb_build_object('pointer', '', 'keyword', one_problem.keyword, 'message', one_problem.message)
  );
end;
comment on function attune_private.one_problem(text, text) is
  'What is wrong with the whole of a value, in the form of `value_problems`.';
revoke all on function attune_private.one_problem(text, text) from public;
--! EndIncluded json-schema/private/one_problem.sql
--! Included json-schema/private/placed_problems.sql
create or replace function attune_private.placed_problems(problems jsonb, key text, place text)
returns jsonb
language sql immutable parallel safe security invoker
begin atomic
  select jsonb_agg(
    p.problem || jsonb_build_object('key', placed_problems.key, 'pointer', place || (p.problem ->> 'pointer'))
    order by p.position
  )
  from jsonb_array_elements(problems) with ordinality as p (problem, position);
end;
comment on function attune_private.placed_problems(jsonb, text, text) is
  'Problems with the key of their setting, and their pointers led on from a place in what was sent; NULL for none.';
revoke all on function attune_private.placed_problems(jsonb, text, text) from public;
--! EndIncluded json-schema/private/placed_problems.sql
--! Included json-schema/private/json_schema_keywords.sql
create or replace function attune_private.json_schema_keywords()
returns table (keyword text, takes jsonb)
language sql immutable parallel safe security invoker
begin atomic
  -- In the words of draft 2020-12; sub-schemas are visited on their own.
  select k.key, k.value
  from jsonb_each('{
    "type": {
      "anyOf": [
        {"enum": ["array", "boolean", "integer", "null", "number", "object", "string"]},
        {
          "type": "array",
          "items": {"enum": ["array", "boolean", "integer", "null", "number", "object", "string"]},
          "minItems": 1,
          "uniqueItems": true
        }
      ]
    },
    "enum": {"type": "array"},
    "const": true,

    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "exclusiveMinimum": {"type": "number"},
    "exclusiveMaximum": {"type": "number"},
    "multipleOf": {"type": "number", "exclusiveMinimum": 0},

    "minLength": {"type": "integer", "minimum": 0},
    "maxLength": {"type": "integer", "minimum": 0},
    "pattern": {"type": "string"},

    "items": true,
    "prefixItems": {"type": "array", "minItems": 1},
    "contains": true,
    "minContains": {"type": "integer", "minimum": 0},
    "maxContains": {"type": "integer", "minimum": 0},
    "unevaluatedItems": true,
    "minItems": {"type": "integer", "minimum": 0},
    "maxItems": {"type": "integer", "minimum": 0},
    "uniqueItems": {"type": "boolean"},

    "properties": {"type": "object"},
    "patternProperties": {"type": "object"},
    "required": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
    "dependentRequired": {
      "type": "object",
      "additionalProperties": {"type": "array", "items": {"type": "string"}, "uniqueItems": true}
    },
    "dependentSchemas": {"type": "object"},
    "additionalProperties": true,
    "unevaluatedProperties": true,
    "propertyNames": true,
    "minProperties": {"type": "integer", "minimum": 0},
    "maxProperties": {"type": "integer", "minimum": 0},

    "anyOf": {"type": "array", "minItems": 1},
    "allOf": {"type": "array", "minItems": 1},
    "oneOf": {"type": "array", "minItems": 1},
    "not": true,
    "if": true,
    "then": true,
    "else": true,

    "$ref": {"type": "string"},
    "$defs": {"type": "object"}
  }') as k;
end;
comment on function attune_private.json_schema_keywords() is
  'The keywords of a JSON Schema that decide something, each with the schema of what it takes.';
revoke all on function attune_private.json_schema_keywords() from public;
--! EndIncluded json-schema/private/json_schema_keywords.sql
--! Included json-schema/private/json_schema_children.sql
create or replace function attune_private.json_schema_children(schema jsonb)
returns table (keyword text, step text, node jsonb)
language sql immutable parallel safe security invoker
begin atomic
  -- Those of older drafts, too: additionalItems, definitions, dependencies and a list of items.
  select k.keyword, attune_private.json_pointer_step(k.keyword), json_schema_children.schema -> k.keyword
  from unnest(
    '{items,additionalItems,contains,unevaluatedItems,additionalProperties,unevaluatedProperties,propertyNames,not,if,then,else}'::text[]
  ) as k (keyword)
  where jsonb_typeof(json_schema_children.schema) = 'object'
    and jsonb_typeof(json_schema_children.schema -> k.keyword) <> 'array'
  union all
  select k.keyword, attune_private.json_pointer_step(k.keyword) || attune_private.json_pointer_step(c.name), c.member
  from unnest('{prefixItems,items,anyOf,allOf,oneOf}'::text[]) as k (keyword)
  cross join attune_private.json_children(json_schema_children.schema -> k.keyword) as c
  where jsonb_typeof(json_schema_children.schema) = 'object'
    and jsonb_typeof(json_schema_children.schema -> k.keyword) = 'array'
  union all
  select k.keyword, attune_private.json_pointer_step(k.keyword) || attune_private.json_pointer_step(c.name), c.member
  from unnest('{properties,patternProperties,dependentSchemas,dependencies,$defs,definitions}'::text[]) as k (keyword)
  cross join attune_private.json_children(json_schema_children.schema -> k.keyword) as c
  where jsonb_typeof(json_schema_children.schema) = 'object'
    and jsonb_typeof(json_schema_children.schema -> k.keyword) = 'object'
    and (k.keyword <> 'dependencies' or jsonb_typeof(c.member) <> 'array');
end;
comment on function attune_private.json_schema_children(jsonb) is
  'The sub-schemas of a JSON Schema, each with the keyword it stands under and the JSON Pointer that leads to it.';
revoke all on function attune_private.json_schema_children(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_children.sql
--! Included json-schema/private/likely_keyword.sql
create or replace function attune_private.likely_keyword(name text)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  given constant text := lower(translate(name, '_-$ ', ''));
  known record;
  meant text;
  closest integer := 4;
  above integer[];
  former integer[];
  line integer[];
  distance integer;
begin
  for known in
    select k.keyword, lower(translate(k.keyword, '$', '')) as letters, length(k.keyword) as size
    from attune_private.json_schema_keywords() as k
    where abs(length(k.keyword) - length(given)) <= 3
    order by k.keyword
  loop
    if known.letters = given then
      return known.keyword;
    end if;

    -- The distance of Damerau and Levenshtein: letters left out, added, changed, or swapped with the next.
    former := null;
    line := array(select i from generate_series(0, length(known.letters)) as i order by i);
    for i in 1 .. length(given) loop
      above := line;
      line := array[i];
      for j in 1 .. length(known.letters) loop
        distance := least(
          above[j + 1] + 1,
          line[j] + 1,
          above[j] + (substr(given, i, 1) <> substr(known.letters, j, 1))::integer
        );
        if i > 1 and j > 1 and substr(given, i - 1, 2) = reverse(substr(known.letters, j - 1, 2)) then
          distance := least(distance, former[j - 1] + 1);
        end if;
        line := line || distance;
      end loop;
      former := above;
    end loop;
    distance := line[length(known.letters) + 1];

    -- The longer a word, the more mistakes leave it the same word; of a short one only its own letters do.
    if distance < closest
      and distance <= (case
        when known.size < 5 then (
          array(select c from regexp_split_to_table(given, '') as c order by c)
          = array(select c from regexp_split_to_table(known.letters, '') as c order by c)
          or given = known.letters || 's'
        )::integer
        when known.size < 9 then 1
        when known.size < 16 then 2
        else 3
      end)
    then
      closest := distance;
      meant := known.keyword;
    end if;
  end loop;

  return meant;
end;
$$;
comment on function attune_private.likely_keyword(text) is
  'The keyword that decides something and that a name looks like a misspelling of; NULL when none.';
revoke all on function attune_private.likely_keyword(text) from public;
--! EndIncluded json-schema/private/likely_keyword.sql
--! Included json-schema/private/is_reference_loop.sql
create or replace function attune_private.is_reference_loop(root jsonb, schema jsonb)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  with recursive reached (node) as (
    select attune_private.json_schema_target(is_reference_loop.root, is_reference_loop.schema ->> '$ref')
    union
    select next.node
    from reached as r
    cross join lateral (
      select attune_private.json_schema_target(is_reference_loop.root, r.node ->> '$ref')
      union all
      select c.node
      from attune_private.json_schema_children(r.node) as c
      where c.keyword in ('allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'dependentSchemas')
    ) as next (node)
    where next.node is not null
  )
  select exists (select from reached as r where r.node = is_reference_loop.schema);
end;
comment on function attune_private.is_reference_loop(jsonb, jsonb) is
  'Whether the reference of a schema leads back to that schema without looking into the value on the way.';
revoke all on function attune_private.is_reference_loop(jsonb, jsonb) from public;
--! EndIncluded json-schema/private/is_reference_loop.sql
--! Included json-schema/private/json_schema_findings.sql
create or replace function attune_private.json_schema_findings(schema jsonb)
returns table (path text, message text, is_problem boolean, keyword text)
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  vocabulary constant jsonb := (
    select jsonb_object_agg(k.keyword, k.takes) from attune_private.json_schema_keywords() as k
  );
  -- What is kept for people and their editors, and the shape it has where the draft or VS Code gives it one.
  annotations constant jsonb := '{
    "$schema": {"type": "string"},
    "$id": {"type": "string"},
    "$comment": {"type": "string"},
    "title": {"type": "string"},
    "description": {"type": "string"},
    "default": true,
    "examples": {"type": "array"},
    "deprecated": {"type": "boolean"},
    "readOnly": {"type": "boolean"},
    "writeOnly": {"type": "boolean"},
    "format": {"type": "string"},
    "contentEncoding": {"type": "string"},
    "contentMediaType": {"type": "string"},
    "contentSchema": true,

    "allowComments": true,
    "allowTrailingCommas": true,
    "defaultSnippets": true,
    "deprecationMessage": true,
    "doNotSuggest": true,
    "editPresentation": true,
    "enumDescriptions": true,
    "enumItemLabels": true,
    "enumNames": true,
    "errorMessage": true,
    "ignoreSync": true,
    "markdownDeprecationMessage": true,
    "markdownDescription": true,
    "markdownEnumDescriptions": true,
    "order": true,
    "patternErrorMessage": true,
    "propertyOrder": true,
    "scope": true,
    "suggestSortText": true,
    "tags": true,
    "tsType": true
  }';
  -- They decide something, too, and nobody would enforce it.
  refused constant text[] :=
    '{$anchor,$dynamicRef,$dynamicAnchor,$recursiveRef,$recursiveAnchor,additionalItems,definitions,dependencies,disallow,divisibleBy,extends}';
  node_path text;
  depth integer;
  node jsonb;
  argument jsonb;
  meant text;
  pattern text;
begin
  if schema is null then
    path := '';
    message := 'must NOT be SQL NULL';
    keyword := 'type';
    is_problem := true;
    return next;
    return;
  end if;

  for node_path, depth, node in
    with recursive nodes (path, depth, node) as (
      select '', 0, schema
      union all
      select n.path || c.step, n.depth + 1, c.node
      from nodes as n
      cross join attune_private.json_schema_children(n.node) as c
      where n.depth <= 64
    )
    select n.path, n.depth, n.node from nodes as n
  loop
    is_problem := true;
    path := node_path;
    if jsonb_typeof(node) not in ('object', 'boolean') then
      keyword := 'type';
      message := 'must be object,boolean';
      return next;
      continue;
    elsif depth > 64 then
      keyword := 'depth';
      message := 'must NOT be nested deeper than 64 levels';
      return next;
      continue;
    end if;

    for keyword, argument in
      select k.key, k.value from jsonb_each(case jsonb_typeof(node) when 'object' then node end) as k
    loop
      continue when keyword like 'x-%';
      is_problem := vocabulary ? keyword or keyword = any (refused);
      path := node_path;

      if is_problem and not vocabulary ? keyword then
        message := format('keyword "%s" is not supported', keyword);
        return next;
        continue;
      elsif keyword = 'items' and jsonb_typeof(argument) = 'array' then
        path := node_path || '/items';
        message := 'must be object,boolean';
        return next;
        continue;
      elsif not is_problem and not annotations ? keyword then
        meant := attune_private.likely_keyword(keyword);
        is_problem := meant is not null;
        message := format('keyword "%s" is unknown', keyword)
          || coalesce(': is "' || meant || '" meant?', ' and decides nothing');
        return next;
        continue;
      end if;

      return query
        select node_path || attune_private.json_pointer_step(keyword) || e.path, e.message, is_problem, keyword
        from attune_private.json_schema_errors(coalesce(vocabulary -> keyword, annotations -> keyword), argument)
          as e (path, message, violated);

      if keyword = '$ref' and jsonb_typeof(argument) = 'string' then
        path := node_path || '/$ref';
        message := case
          when (argument #>> '{}') !~ '^#(/|$)' then format('%s is not part of this schema, and nothing is fetched', argument)
          when jsonb_typeof(attune_private.json_schema_target(schema, argument #>> '{}')) is null
            then format('%s leads nowhere', argument)
          when attune_private.is_reference_loop(schema, node) then format('%s leads back to itself', argument)
        end;
        if message is not null then
          return next;
        end if;
      end if;

      for path, pattern in
        select node_path || '/pattern', argument #>> '{}'
        where keyword = 'pattern' and jsonb_typeof(argument) = 'string'
        union all
        select node_path || '/patternProperties' || attune_private.json_pointer_step(p.name), p.name
        from attune_private.json_children(case keyword when 'patternProperties' then argument end) as p
      loop
        begin
          perform '' collate "C" ~ attune_private.json_schema_regex(pattern);
        exception when invalid_regular_expression then
          message := sqlerrm;
          return next;
        end;
      end loop;
    end loop;
  end loop;
end;
$$;
comment on function attune_private.json_schema_findings(jsonb) is
  'What there is to say about a JSON Schema: a JSON Pointer into it and a message each. A problem keeps it from being '
  'used: a keyword of the wrong shape, one that looks misspelled, a reference that leads nowhere or back to itself, a '
  'pattern that Postgres cannot use, too deep a nesting. '
  'All others are warnings: an unknown keyword, an annotation of the wrong shape.';
revoke all on function attune_private.json_schema_findings(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_findings.sql
--! Included json-schema/private/json_schema_problems.sql
create or replace function attune_private.json_schema_problems(schema jsonb)
returns table (path text, message text, keyword text)
language sql immutable security invoker
begin atomic
  select f.path, f.message, f.keyword
  from attune_private.json_schema_findings(json_schema_problems.schema)
    with ordinality as f (path, message, is_problem, keyword, n)
  where f.is_problem
  order by f.n;
end;
comment on function attune_private.json_schema_problems(jsonb) is
  'What keeps a JSON Schema from being used, as docs/reference/json-schema.md says: a JSON Pointer into the schema, '
  'a message and the keyword each; no row when it can be used.';
revoke all on function attune_private.json_schema_problems(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_problems.sql
--! Included json-schema/private/schema_problems.sql
create or replace function attune_private.schema_problems(schema jsonb)
returns jsonb
language sql immutable security invoker
begin atomic
  select jsonb_agg(
    jsonb_build_object('pointer', p.path, 'keyword', p.keyword, 'message', left(p.message, 300)) order by p.position
  )
  from attune_private.json_schema_problems(schema_problems.schema)
    with ordinality as p (path, message, keyword, position)
  where p.position <= 100;
end;
comment on function attune_private.schema_problems(jsonb) is
  'What keeps a JSON Schema from being used, `[{pointer, keyword, message}]`, a hundred at most; NULL when it '
  'can be used.';
revoke all on function attune_private.schema_problems(jsonb) from public;
--! EndIncluded json-schema/private/schema_problems.sql
--! Included json-schema/private/json_schema_warnings.sql
create or replace function attune_private.json_schema_warnings(schema jsonb)
returns table (path text, message text)
language sql immutable security invoker
begin atomic
  select f.path, f.message
  from attune_private.json_schema_findings(json_schema_warnings.schema)
    with ordinality as f (path, message, is_problem, keyword, n)
  where not f.is_problem
  order by f.n;
end;
comment on function attune_private.json_schema_warnings(jsonb) is
  'What in a JSON Schema its author should know of, though it can be used: an unknown keyword, an annotation of the '
  'wrong shape. '
  'A JSON Pointer into the schema and a message each.';
revoke all on function attune_private.json_schema_warnings(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_warnings.sql
--! Included json-schema/private/json_schema_pointer.sql
create or replace function attune_private.json_schema_pointer(
  document jsonb,
  resources text[],
  names jsonb,
  place text,
  reference jsonb
)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  address text;
  fragment text;
  resource text;
begin
  if jsonb_typeof(reference) is distinct from 'string' then
    return null;
  end if;

  address := split_part(reference #>> '{}', '#', 1);
  fragment := attune_private.percent_decoded(substr(reference #>> '{}', length(address) + 2));
  resource := case
    when address <> '' then coalesce(
      names ->> address,
      names ->> (regexp_replace(coalesce(document ->> '$id', document ->> 'id', ''), '[^/]*$', '') || address)
    )
    else (
      select r.pointer
      from unnest(resources) as r (pointer)
      where place = r.pointer or starts_with(place, r.pointer || '/')
      order by length(r.pointer) desc
      limit 1
    )
  end;

  if fragment <> '' and fragment !~ '^/' then
    return names ->> (resource || '#' || fragment);
  end if;

  -- Many who write "$id" beside every property mean the document all the same.
  return (
    select c.pointer
    from unnest(array[resource || fragment, case address when '' then fragment end]) with ordinality as c (pointer, n)
    where jsonb_typeof(document #> attune_private.json_pointer_path(c.pointer)) in ('object', 'boolean')
    order by c.n
    limit 1
  );
end;
$$;
comment on function attune_private.json_schema_pointer(jsonb, text[], jsonb, text, jsonb) is
  'Where the reference at a place of a document leads, as a JSON Pointer; NULL when nowhere, or out of the document. '
  'resources are the pointers of what has an `$id` of its own, names the pointers by address and by anchor.';
revoke all on function attune_private.json_schema_pointer(jsonb, text[], jsonb, text, jsonb) from public;
--! EndIncluded json-schema/private/json_schema_pointer.sql
--! Included json-schema/private/json_schema_references.sql
create or replace function attune_private.json_schema_references(document jsonb)
returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- The folder that relative addresses start from.
  folder constant text := regexp_replace(coalesce(document ->> '$id', document ->> 'id', ''), '[^/]*$', '');
  resources text[];
  names jsonb;
begin
  with recursive nodes (pointer, resource, depth, node) as (
    select '', '', 0, document
    union all
    select
      n.pointer || c.step,
      case when c.node ->> '$id' ~ '^[^#]' then n.pointer || c.step else n.resource end,
      n.depth + 1,
      c.node
    from nodes as n
    cross join attune_private.json_schema_children(n.node) as c
    where n.depth <= 64
  )
  select
    array(select distinct m.resource from nodes as m),
    (
      select jsonb_object_agg(i.name, m.pointer)
      from nodes as m
      cross join unnest(array[
        m.resource || '#' || (m.node ->> '$anchor'),
        m.resource || (regexp_match(m.node ->> '$id', '^#.+'))[1],
        m.resource || (regexp_match(m.node ->> 'id', '^#.+'))[1],
        rtrim((regexp_match(m.node ->> '$id', '^[^#].*'))[1], '#'),
        folder || rtrim((regexp_match(m.node ->> '$id', '^[^#].*'))[1], '#'),
        rtrim((regexp_match(m.node ->> 'id', '^[^#].*'))[1], '#')
      ]) as i (name)
      where i.name is not null
    )
  into resources, names;

  return coalesce(
    (
      with recursive nodes (pointer, node) as (
        select '', document
        union
        select next.pointer, next.node
        from nodes as n
        cross join lateral (
          select n.pointer || c.step, c.node
          from attune_private.json_schema_children(n.node) as c
          union all
          -- What a reference leads to may stand where no schema is looked for.
          select r.pointer, document #> attune_private.json_pointer_path(r.pointer)
          from attune_private.json_schema_pointer(document, resources, names, n.pointer, n.node -> '$ref') as r (pointer)
          where r.pointer is not null
        ) as next (pointer, node)
        where (select count(*) from regexp_matches(next.pointer, '/', 'g')) <= 192
      )
      select jsonb_object_agg(n.pointer, r.pointer)
      from nodes as n
      cross join attune_private.json_schema_pointer(document, resources, names, n.pointer, n.node -> '$ref') as r (pointer)
      where r.pointer is not null
    ),
    '{}'
  );
end;
$$;
comment on function attune_private.json_schema_references(jsonb) is
  'Where the references of a JSON Schema lead inside it, {"place of the reference": "its target"}, both as JSON '
  'Pointers; without those that lead nowhere, or out of it.';
revoke all on function attune_private.json_schema_references(jsonb) from public;
--! EndIncluded json-schema/private/json_schema_references.sql
--! Included json-schema/private/json_schema_rewritten.sql
create or replace function attune_private.json_schema_rewritten(
  schema jsonb,
  place text,
  "references" jsonb,
  names jsonb,
  is_lone_reference boolean
)
returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  rewritten jsonb := schema;
  child record;
  bound text;
begin
  -- What is nested deeper than a schema may be is refused afterwards.
  if jsonb_typeof(schema) <> 'object' or cardinality(attune_private.json_pointer_path(place)) > 192 then
    return schema;
  end if;

  -- Until draft-07, a reference was all that a schema said.
  if is_lone_reference and schema ? '$ref' then
    rewritten := rewritten - array(
      select k.keyword from attune_private.json_schema_keywords() as k where k.keyword <> '$ref'
    );
  end if;

  rewritten := rewritten - '{$defs,definitions,$id,id,$anchor,$schema}'::text[];
  for child in select c.* from attune_private.json_schema_children(rewritten) as c loop
    rewritten := jsonb_set(rewritten, attune_private.json_pointer_path(child.step), attune_private.json_schema_rewritten(
      child.node, place || child.step, "references", names, is_lone_reference));
  end loop;

  if "references" ? place then
    rewritten := rewritten || jsonb_build_object('$ref', names ->> ("references" ->> place));
  end if;

  -- What older drafts said in other words
  if jsonb_typeof(rewritten -> 'items') = 'array' and not rewritten ? 'prefixItems' then
    rewritten := rewritten - '{items,additionalItems}'::text[]
      || case rewritten -> 'items' when '[]' then '{}' else jsonb_build_object('prefixItems', rewritten -> 'items') end
      || jsonb_strip_nulls(jsonb_build_object('items', rewritten -> 'additionalItems'));
  end if;
  rewritten := rewritten - 'additionalItems';

  foreach bound in array '{Minimum,Maximum}'::text[] loop
    if jsonb_typeof(rewritten -> ('exclusive' || bound)) = 'boolean' then
      rewritten := case
        when rewritten -> ('exclusive' || bound) = 'true' and rewritten ? lower(bound)
          then rewritten - lower(bound) || jsonb_build_object('exclusive' || bound, rewritten -> lower(bound))
        else rewritten - ('exclusive' || bound)
      end;
    end if;
  end loop;

  if jsonb_typeof(rewritten -> 'dependencies') = 'object' then
    for child in
      select
        case when jsonb_typeof(d.value) in ('array', 'string') then 'dependentRequired' else 'dependentSchemas' end as keyword,
        jsonb_object_agg(d.key, case jsonb_typeof(d.value) when 'string' then jsonb_build_array(d.value) else d.value end) as node
      from jsonb_each(rewritten -> 'dependencies') as d
      group by 1
    loop
      rewritten := rewritten
        || jsonb_build_object(child.keyword, child.node || coalesce(rewritten -> child.keyword, '{}'));
    end loop;
    rewritten := rewritten - 'dependencies';
  end if;

  if jsonb_typeof(rewritten -> 'required') = 'boolean' then
    rewritten := rewritten - 'required';
  end if;
  if jsonb_path_exists(schema, '$.properties.*.required ? (@ == true)') then
    rewritten := rewritten || jsonb_build_object('required', (
      select jsonb_agg(distinct r.name order by r.name)
      from (
        select to_jsonb(p.key) from jsonb_each(schema -> 'properties') as p where p.value -> 'required' = 'true'
        union all
        select i.item from attune_private.json_children(rewritten -> 'required') as i (n, item)
      ) as r (name)
    ));
  end if;

  return rewritten;
end;
$$;
comment on function attune_private.json_schema_rewritten(jsonb, text, jsonb, jsonb, boolean) is
  'A part of a JSON Schema, which stands at a place of a document, in the words of draft 2020-12 and with its '
  'references by their new names; without definitions, which get a place of their own.';
revoke all on function attune_private.json_schema_rewritten(jsonb, text, jsonb, jsonb, boolean) from public;
--! EndIncluded json-schema/private/json_schema_rewritten.sql
--! Included json-schema/private/json_schema_resource.sql
create or replace function attune_private.json_schema_resource(
  document jsonb,
  place text default '',
  "references" jsonb default null
)
returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  links constant jsonb := coalesce("references", attune_private.json_schema_references(document));
  schema constant jsonb := document #> attune_private.json_pointer_path(place);
  is_lone_reference constant boolean := coalesce(document ->> '$schema' ~ '/draft-0[3-7]/', false);
  -- What is part of the resource, by its place in the document, and the name it gets.
  places text[] := array[place];
  names jsonb := jsonb_build_object(place, '#');
  target text;
  path text[];
  name text;
  defined jsonb := '{}';
  rewritten jsonb;
begin
  if jsonb_typeof(schema) is distinct from 'object' then
    return schema;
  end if;

  -- The array grows while it is walked: what a definition refers to becomes one, too.
  for i in 1 .. 10000 loop
    exit when i > cardinality(places);
    for target in
      select place || c.step
      from attune_private.json_schema_children(schema) as c
      where i = 1 and c.keyword in ('$defs', 'definitions')
      union all
      (
        select r.value
        from jsonb_each_text(links) as r
        where (r.key = places[i] or starts_with(r.key, places[i] || '/'))
          and not starts_with(r.key, places[i] || '/definitions/')
          and not starts_with(r.key, places[i] || '/$defs/')
        order by r.key
      )
    loop
      continue when names ? target;
      path := attune_private.json_pointer_path(target);
      name := coalesce(nullif(path[cardinality(path)], ''), 'document');
      while defined ? name loop
        name := name || '_';
      end loop;
      defined := defined || jsonb_build_object(name, target);
      names := names || jsonb_build_object(target, '#/$defs' || attune_private.json_pointer_step(name));
      places := places || target;
    end loop;
  end loop;

  rewritten := attune_private.json_schema_rewritten(schema, place, links, names, is_lone_reference);
  if schema ->> '$id' ~ '^[^#]' then
    rewritten := rewritten || jsonb_build_object('$id', schema -> '$id');
  end if;
  if defined <> '{}' then
    rewritten := rewritten || jsonb_build_object('$defs', (
      select jsonb_object_agg(d.key, attune_private.json_schema_rewritten(
        document #> attune_private.json_pointer_path(d.value), d.value, links, names, is_lone_reference))
      from jsonb_each_text(defined) as d
    ));
  end if;
  return rewritten;
end;
$$;
comment on function attune_private.json_schema_resource(jsonb, text, jsonb) is
  'The JSON Schema at a place of a document, as a schema of its own in the words of draft 2020-12: what it refers to, '
  'however far, is among its `$defs`, and what older drafts said otherwise is rewritten. Of such a schema it is the '
  'same one. '
  'references are those of the document, json_schema_references(), when they are known.';
revoke all on function attune_private.json_schema_resource(jsonb, text, jsonb) from public;
--! EndIncluded json-schema/private/json_schema_resource.sql
--! Included json-schema/private/schema_types.sql
create or replace function attune_private.schema_types(root jsonb, schema jsonb, followed text[] default '{}')
returns text[]
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  every constant text[] := '{array,boolean,null,number,object,string}';
  types text[] := every;
  branch jsonb;
  united text[];
  keyword text;
begin
  if schema = 'false' then
    return '{}';
  elsif jsonb_typeof(schema) is distinct from 'object' or schema ->> '$ref' = any (followed) then
    return every;
  end if;

  if schema ? 'type' then
    types := array(
      select distinct case t.name when 'integer' then 'number' else t.name end
      from jsonb_array_elements_text(
        case jsonb_typeof(schema -> 'type') when 'array' then schema -> 'type' else jsonb_build_array(schema -> 'type') end
      ) as t (name)
    );
  end if;

  if schema ? 'const' then
    types := array(select t from unnest(types) as t where t = jsonb_typeof(schema -> 'const'));
  end if;

  if jsonb_typeof(schema -> 'enum') = 'array' then
    types := array(
      select t
      from unnest(types) as t
      where t in (select jsonb_typeof(e.item) from jsonb_array_elements(schema -> 'enum') as e (item))
    );
  end if;

  -- What applies in place: everything that a reference or a branch says, too.
  for branch in
    select attune_private.json_schema_target(root, schema ->> '$ref') where schema ? '$ref'
    union all
    select b.item
    from jsonb_array_elements(case jsonb_typeof(schema -> 'allOf') when 'array' then schema -> 'allOf' end) as b (item)
  loop
    united := attune_private.schema_types(root, branch, followed || (schema ->> '$ref'));
    types := array(select t from unnest(types) as t where t = any (united));
  end loop;

  foreach keyword in array '{anyOf,oneOf}'::text[] loop
    continue when jsonb_typeof(schema -> keyword) is distinct from 'array';
    united := '{}';
    for branch in select b.item from jsonb_array_elements(schema -> keyword) as b (item) loop
      united := united || attune_private.schema_types(root, branch, followed || (schema ->> '$ref'));
    end loop;
    types := array(select t from unnest(types) as t where t = any (united));
  end loop;

  return types;
end;
$$;
comment on function attune_private.schema_types(jsonb, jsonb, text[]) is
  'Which JSON types a value of a schema may have, as `jsonb_typeof` names them; at least those, as `not` and its like '
  'are not looked at. '
  '`root` is the schema that a `$ref` points into, `followed` the references on the way.';
revoke all on function attune_private.schema_types(jsonb, jsonb, text[]) from public;
--! EndIncluded json-schema/private/schema_types.sql
--! Included json-schema/private/merge_obstacle.sql
create or replace function attune_private.merge_obstacle(schema jsonb, default_value jsonb, is_copied boolean default false)
returns text
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What is still to look at: a sub-schema, where it stands, what the default has there, whether what is around says
  -- that the value is an object, and whether a layer can put something else in its place.
  waiting jsonb[] := array[jsonb_build_object(
    'schema', schema, 'path', '', 'default', nullif(default_value, 'null'), 'is_object', false, 'may_vanish', false
  )];
  followed jsonb[] := '{}';
  place jsonb;
  node jsonb;
  path text;
  preset jsonb;
  reference jsonb;
  types text[];
  is_object boolean;
  may_vanish boolean;
  keyword text;
begin
  while cardinality(waiting) > 0 loop
    place := waiting[1];
    waiting := waiting[2:];
    node := place -> 'schema';
    path := place ->> 'path';
    preset := place -> 'default';
    continue when jsonb_typeof(node) <> 'object';

    types := attune_private.schema_types(merge_obstacle.schema, node);
    is_object := (place -> 'is_object')::boolean or types = '{object}';

    -- What cannot be an object is never merged: the narrowest value replaces the others.
    if not 'object' = any (types) then
      if path = '' then
        return '/type';
      end if;
      continue;
    end if;

    if jsonb_typeof(node -> 'type') = 'array' and not is_object then
      return path || '/type';
    end if;

    select k into keyword
    from unnest('{
      anyOf,const,dependencies,dependentRequired,dependentSchemas,enum,if,maxProperties,minProperties,not,oneOf,
      $dynamicRef,$recursiveRef
    }'::text[]) as k
    where node ? k
    limit 1;

    if found then
      return path || '/' || keyword;
    end if;

    may_vanish := (place -> 'may_vanish')::boolean or not is_object;

    if jsonb_typeof(node -> 'required') = 'array' and exists (
      select from jsonb_array_elements_text(node -> 'required') as r (name)
      where may_vanish or (preset ? r.name) is not true
    ) then
      return path || '/required';
    end if;

    if node ? '$ref' then
      reference := place || jsonb_build_object(
        'schema', node -> '$ref', 'path', '', 'is_object', is_object, 'may_vanish', may_vanish
      );
      -- A schema may contain itself: the same question is asked once.
      if not reference = any (followed) then
        followed := followed || reference;
        waiting := waiting || (reference || jsonb_build_object(
          'schema', attune_private.json_schema_target(merge_obstacle.schema, node ->> '$ref'), 'path', path || '/$ref'
        ));
      end if;
    end if;

    waiting := waiting || array(
      select jsonb_build_object(
        'schema', s.schema, 'path', path || s.step, 'default', s.preset, 'is_object', s.is_object,
        -- A copy need not have what the default has in it.
        'may_vanish', may_vanish or is_copied and s.step !~ '^/allOf/'
      )
      from (
        select '/allOf/' || b.place - 1 as step, b.item as schema, preset as preset, is_object as is_object
        from jsonb_array_elements(case jsonb_typeof(node -> 'allOf') when 'array' then node -> 'allOf' end)
          with ordinality as b (item, place)
        union all
        select
          '/properties/' || replace(replace(p.key, '~', '~0'), '/', '~1'), p.value,
          case jsonb_typeof(preset) when 'object' then preset -> p.key end, false
        from jsonb_each(case jsonb_typeof(node -> 'properties') when 'object' then node -> 'properties' end) as p
        union all
        select '/patternProperties/' || replace(replace(p.key, '~', '~0'), '/', '~1'), p.value, null, false
        from jsonb_each(
          case jsonb_typeof(node -> 'patternProperties') when 'object' then node -> 'patternProperties' end
        ) as p
        union all
        select '/' || k, node -> k, null, false
        from unnest('{additionalProperties,unevaluatedProperties}'::text[]) as k
        where node ? k
      ) as s
    );
  end loop;

  return null;
end;
$$;
comment on function attune_private.merge_obstacle(jsonb, jsonb, boolean) is
  'What keeps the values of a schema from being merged member by member, as a JSON Pointer to a keyword that '
  'constrains members jointly, or that another layer could break; NULL when every mixture of valid values is valid. '
  '`is_copied` is whether layers are merged over a copy, too, and not over the default alone.';
revoke all on function attune_private.merge_obstacle(jsonb, jsonb, boolean) from public;
--! EndIncluded json-schema/private/merge_obstacle.sql
--! Included json-schema/hidden/secret_form.sql
create or replace function attune_hidden.secret_form(value text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select case
    -- Few texts have any of what every form below has one of, and only they are looked at closely.
    when value ~ $re$(?x)
      [A-Za-z0-9_=+/.~-]{12} | PRIVATE[ ]KEY | (?:[Bb]asic|[Bb]earer)[ ] | AccountKey=
      | ://[^\s/:@"]*: | [?&\#][A-Za-z_-]+= | ;[^;"=]*=
    $re$ then coalesce(
      substring(
        value,
        $re$(?x)
          # Where it begins, in JSON's text too.
          (?:^|[^A-Za-z0-9]|\\[bfnrt]|\\u00[01][0-9a-f])
          (?:
            # Whose it is, then letters and digits.
            (?:
              gh[oprsu]_ | npm_ | rubygems_ | CLOJARS_ | do[opr]_v1_ | pul- | lin_api_ | ntn_ | figd_ | rdme_
              | gsk_ | xai- | pplx- | hf_ | r8_ | whsec_ | shp(?:at|ca|pa|ss)_ | sntryu_ | glc_ | glsa_ | sbp_ | sgp_
              | (?:cal|rk|shippo|sk)_(?:live|prod|test)_ | sm_[aps]at_ | re_[A-Za-z0-9]{8}_
              | AKCp | cmVmd | EZ[AT]K | LTAI | GR1348941 | AQVN
            )
            [A-Za-z0-9]{16}
            # Whose it is, then with dashes and dots.
            | (?:
              sk-(?:ant|svcacct)- | lsv2_[ps][kt]_ | nvapi- | AIza | ya29[.] | GOCSPX- | 1//0 | github_pat_
              | gl(?:agent|cbt|dt|ffct|ft|imt|oas|pat|ptt|rt|soat)- | xoxe[.]xox[a-z]- | xapp-[0-9]-
              | pypi-AgE | dckr_[op]at_ | hv[bs][.] | atlasv1[.] | fio-u- | fo1_ | fm1[ar]_ | fm2_ | p8e- | dp[.]pt[.]
              | pscale_(?:oauth|pw|tkn)_ | PMAK- | NRAK- | CFPAT- | ATATT3 | sntrys_ | sb_secret_ | xkeysib- | tfp_
              | ABSK | dt0c01[.] | FLWSECK | ops_eyJ | sq0[a-z]{3}- | duffel_(?:live|test)_ | tskey-[a-z]+- | sha256~ | tk-us-
            )
            [A-Za-z0-9_=+/.-]{16}
            # Words begin so, too, and have no digit and no capital; or zeros in base64.
            | (?:secret_|sk-)[a-z]*[A-Z0-9][A-Za-z0-9]{15}
            | (?:sk-(?:admin|lf|or|proj)-|xox[a-z]-)[a-z_=+/.-]*[A-Z0-9][A-Za-z0-9_=+/.-]{15}
            | EAAA{0,7}[B-Za-z0-9][A-Za-z0-9]{15}
            # With a shape of its own.
            | (?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}(?:$|[^A-Za-z0-9])
            | dapi[0-9a-f]{32}
            | pat-[a-z]{2}[0-9]-[0-9a-f]{8}-
            | SG[.][A-Za-z0-9_-]{16,}[.][A-Za-z0-9_-]{16}
            | sl[.](?:B|u[.])[A-Za-z0-9_-]{40}
            | pat[A-Za-z0-9]{14}[.][0-9a-f]{40}
            | access-(?:development|production|sandbox)-[0-9a-f]{8}-
            | v1[.]0-[0-9a-f]{24}-
            | API-[A-Z0-9]{26}
            | AGE-SECRET-KEY-1[A-Z0-9]{20}
            | eyJ[A-Za-z0-9_-]{8,}[.]eyJ[A-Za-z0-9_-]{8,}[.]
            # A private key, as it is or in base64.
            | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY
            | LS0tLS1CRUdJTi
              (?:BQUklWQVRFIEtFW|BFQyBQUklWQVRFI|BSU0EgUFJJVkFURSBL|BPUEVOU1NIIFBSSVZBVEUg|BFTkNSWVBURUQgUFJJVkFURS)
            # An address that opens the door, or a header that does.
            | hooks[.]slack[.]com/(?:services|triggers|workflows)/[A-Za-z0-9+/]{20}
            | discord(?:app)?[.]com/api/webhooks/[0-9]+/[A-Za-z0-9_-]{30}
            | webhook[.]office[.]com/webhookb2/[0-9a-z-]{20}
            | [Bb]earer[ ]+[A-Za-z_.~+/=-]{0,24}[0-9][A-Za-z0-9_.~+/=-]{6}
            | [Bb]asic[ ]+(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)
            # Without padding it is known by the colon, which base64 has in three ways.
            | [Bb]asic[ ]+(?:[A-Za-z0-9+/]{4})*
              (?:O[g-v] | [A-Za-z0-9+/][DTjz][o-r] | [A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]6)[A-Za-z0-9+/]*[A-Z0-9][A-Za-z0-9+/]
            | (?:AccountKey|SharedAccessKey|SharedAccessSignature)=[^;]{16}
          )
        $re$
      ),
      -- Mailchimp's, Telegram's and Microsoft's have their mark in the middle; Mailgun's and Twilio's could be a hash.
      substring(
        value,
        $re$(?x)
          (?:^|")
          (?:
            [0-9a-f]{32}-us[0-9]{1,2} | [0-9]{6,12}:A[A-Za-z0-9_-]{33,} | [A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}
            | (?:SK|key-)[0-9a-f]{32}
          )
          (?:$|\\?")
        $re$
      ),
      -- An address or a connection string with a secret in it.
      substring(
        value,
        $re$(?xi)
          ://[^\s/:@"]*:[^\s/"]{3,}@
          | [?&\#](?:(?:(?:access|auth|id|refresh)[_-]?)?token|api[_-]?key|(?:client[_-]?)?secret|password)=[^\s&"]{3,}
          | [?&\#]sig(?:nature)?=[^\s&"]{16,}
          | ;(?:\s|\\[nrt])*(?:password|pwd)\s*=[^;"]{3,}
        $re$
      )
    )
  end;
end;
comment on function attune_hidden.secret_form(text) is
  'What in a text, or in the text of JSON, has the form of a secret: a key or token with the prefix of who gave it, a '
  'private key, a signed token, a header of authorization, an address with a password in it; NULL when nothing has. '
  'It may be what documentation shows instead of one.';
revoke all on function attune_hidden.secret_form(text) from public;
grant execute on function attune_hidden.secret_form(text) to service_role;
--! EndIncluded json-schema/hidden/secret_form.sql
--! Included json-schema/hidden/is_secret_format.sql
create or replace function attune_hidden.is_secret_format(value text)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  select attune_hidden.secret_form(value) !~ $re$(?xi)
    example | x{4} | [*]{3} | 0{8} | your[ _-]
    | [:=]\s*([$%{<[] | (
      changeme|pass|passwd|password|pwd|secret|x+|[*]+|[.]{3}|required|optional|true|false|yes|no|none|null
    )@?$)
  $re$ is true;
end;
comment on function attune_hidden.is_secret_format(text) is
  'Whether a text has in it what is known by its form to be a secret (`attune_hidden.secret_form`), and not what '
  'documentation shows in its place: `AKIAIOSFODNN7EXAMPLE`, `user:password@`.';
revoke all on function attune_hidden.is_secret_format(text) from public;
grant execute on function attune_hidden.is_secret_format(text) to service_role;
--! EndIncluded json-schema/hidden/is_secret_format.sql
--! Included json-schema/hidden/is_secret_placeholder.sql
create or replace function attune_hidden.is_secret_placeholder(value text)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  select
    value ~ $re$(?xi)
      # It stands for one, or says where one is.
      ^\s*[$%@!#][a-z_{(<\[] | [$\#%{][{] | ^[{][a-z0-9_. -]+[}]$ | [$][(][^)]*[)] | ^<.*>$ | ^\[.*\]$
      | ^(/ | [.]{1,2}/ | ~/ | [a-z]:\\) | ^(file|env|vault|op|ssm|sops|secrets?|arn|kms|keychain)[:/]
      | ^https?://[^@?]*$ | [.](json|ya?ml|toml|txt|key|pem|crt|cer|p12|pfx|jks|env|conf|cfg|html?|php)$
      # It is hidden.
      | ^([x*•.…·_?\#-]{2,}|[*•.…·_?\#-])?$ | [*•]{3} | x{4} | 0{8} | \m(redacted|hidden|masked|removed|censored)\M
      # It is to be replaced.
      | \mchange[ _-]?(me|it|this)\M | \m(replace|insert|enter|put|fill|paste)[ _-]?(me|it|this|your|in|here|with|the|a)\M
      | example | \m(placeholder|dummy|todo|tbd|fixme|sample|foo|bar|baz|foobar)\M | (^|[ _.-])your[ _.-] | you[ _-]must
      # It is a word for a switch.
      | ^(true|false|yes|no|on|off|null|nil|none|undefined|unset|default|auto|automatic|required|optional|enabled|disabled
        |always|never|prompt|ask|basic|bearer|digest|read|write|any|local|inherit|string|text|boolean|number|n/a)$
    $re$
    or value ~ '^(.)\1{7,}$'
    -- The name of a variable.
    or value ~ '^[A-Z]+(_[A-Z0-9]+)+$' and value !~ '[0-9]{3}'
    -- A label, or the name of a thing: it ends with what it is.
    or value ~* $re$(?x)
      ^[^0-9]*[ _.:-][^0-9]*
      (password|passwort|passwd|passphrase|pass|token|secrets?|keys?|credentials?|creds|tls|certs?)[.:?!…*]*$
    $re$
    or value ~ '^([A-Za-z]*[a-z])?(Password|Token|Key)$'
    -- A sentence about it.
    or value ~ '\s' and value ~* '\m(passwords?|passphrase|tokens?|secrets?|keys?|credentials?|sign|log ?in)\M';
end;
comment on function attune_hidden.is_secret_placeholder(text) is
  'Whether what stands where a secret would is none: a reference (`"${TOKEN}"`, a path), a mask (`"***"`), a word to be '
  'replaced (`"changeme"`), a switch (`"none"`), a label (`"Your password"`), or a name (`"mysql-password"`).';
revoke all on function attune_hidden.is_secret_placeholder(text) from public;
grant execute on function attune_hidden.is_secret_placeholder(text) to service_role;
--! EndIncluded json-schema/hidden/is_secret_placeholder.sql
--! Included json-schema/hidden/is_secret_member.sql
create or replace function attune_hidden.is_secret_member(name text, value text)
returns boolean
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  words constant text := lower(
    regexp_replace(
      regexp_replace(regexp_replace(name, '([a-z0-9])([A-Z])', '\1_\2', 'g'), '([A-Z])([A-Z][a-z])', '\1_\2', 'g'),
      '[^A-Za-z0-9]+', '_', 'g'
    )
  );
begin
  return case
    -- Not a secret, but something about one: `show_password`, `public_key`.
    when words ~ $re$(?x)
      (^|_)
      (
        allow|ask|can|change|confirm|disable|enable|existing|forgot|forgotten|get|has|hide|if|is|max|min|no|prompt|public
        |publishable|remember|require|reset|set|should|show|update|use|validate|verify|with|without
      )
      _.
    $re$ then false
    -- Only a secret is called so: all that is no placeholder is one.
    when words ~ $re$(?x)
      (
        password | passwd | passphrase | passcode | secret | (^|_)pwd | ^token
        | (^|_)(admin|auth|bind|database|db|ftp|http|imap|ldap|mail|mysql|postgres|proxy|redis|root|sftp|smtp|ssh|user)_pass
        | (^|_)(account|admin|api|decryption|deploy|encrypt|encryption|license|master|private|secret|shared|signing|storage
            |subscription|webhook)_?key
        | (^|_)(access|admin|api|app|auth|authentication|authorization|bearer|bot|client|deploy|github|gitlab|jwt|npm|oauth2?
            |page|personal|private|refresh|registry|root|security|service|session|slack|user|verify|webhook)_?token
      )
      (s|_[0-9]+)?$
    $re$ and words !~ '(secrets|^tokens)$' then not attune_hidden.is_secret_placeholder(value)
    -- Other things are called so, too: it has to look like one.
    when words ~ '(^|_)(tokens?|secrets|auth|authorization|credentials?|creds?|pass|pat|(access|fernet|service)_key)$' then
      value ~ '^[A-Za-z0-9_.~+/=:-]+$'
      and not attune_hidden.is_secret_placeholder(value)
      and exists (
        select from regexp_matches(value, '[A-Za-z0-9]{16,}', 'g') as r (run)
        where r.run[1] ~ '[0-9]' and r.run[1] ~ '[A-Za-z]'
      )
    else false
  end;
end;
$$;
comment on function attune_hidden.is_secret_member(text, text) is
  'Whether a text is a secret by the name of the member that has it: `password`, `apiKey`, `client_secret`. '
  'Placeholders are none; where the name may mean something else (`credentials`), the text has to look like one.';
revoke all on function attune_hidden.is_secret_member(text, text) from public;
grant execute on function attune_hidden.is_secret_member(text, text) to service_role;
--! EndIncluded json-schema/hidden/is_secret_member.sql
--! Included json-schema/hidden/secret_paths.sql
create or replace function attune_hidden.secret_paths(value jsonb, name text, by_name boolean)
returns setof text
language sql immutable parallel safe security invoker
begin atomic
  -- Most values have neither, and are not taken apart.
  with recursive whole (has_form, names) as materialized (
    select
      attune_hidden.secret_form(value::text) is not null,
      case when by_name and name || value::text ~* n.pattern then n.pattern end
    from (values ('pass|pwd|secret|token|key|auth|cred|pat')) as n (pattern)
  ), members (path, name, value) as (
    select '', name, value
    from whole as w
    where w.has_form
      or w.names is not null
    union all
    select m.path || '/' || replace(replace(child.step, '~', '~0'), '/', '~1'), child.name, child.value
    from members as m
    cross join lateral (
      select e.key, coalesce(case e.key when 'value' then coalesce(m.value ->> 'name', m.value ->> 'key') end, e.key), e.value
      from jsonb_each(case jsonb_typeof(m.value) when 'object' then m.value end) as e
      union all
      select (i.place - 1)::text, m.name, i.item
      from jsonb_array_elements(case jsonb_typeof(m.value) when 'array' then m.value end)
        with ordinality as i (item, place)
    ) as child (step, name, value)
  )
  select m.path
  from whole as w
  cross join members as m
  cross join lateral (select m.value #>> '{}') as s (text)
  where jsonb_typeof(m.value) = 'string'
    -- The planner would ask either part of an `or` first.
    and case
      when w.has_form and attune_hidden.is_secret_format(s.text) then true
      when m.name ~* w.names then attune_hidden.is_secret_member(m.name, s.text)
      else false
    end;
end;
comment on function attune_hidden.secret_paths(jsonb, text, boolean) is
  'Where in a value there is something that looks like a token, key or password, as JSON Pointers: by its form or, '
  '`by_name`, by the member that has it. '
  '`name` is what the value itself is called; `{name, value}` and `{key, value}` are members, too.';
revoke all on function attune_hidden.secret_paths(jsonb, text, boolean) from public;
grant execute on function attune_hidden.secret_paths(jsonb, text, boolean) to service_role;
--! EndIncluded json-schema/hidden/secret_paths.sql
--! Included json-schema/private/annotation_problems.sql
create or replace function attune_private.annotation_problems(schema jsonb, value jsonb, key text)
returns jsonb
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  secrets jsonb;
  zones jsonb;
begin
  -- Most values are short, and none of these.
  if schema -> 'x-no-secrets' = 'true'
    or schema -> 'x-no-secrets' is distinct from 'false' and value::text ~ '[A-Za-z0-9_=+/.~-]{12}|PRIVATE KEY'
  then
    select jsonb_agg(
      jsonb_build_object('pointer', s.path, 'keyword', 'x-no-secrets', 'message', 'looks like a secret') order by s.path
    )
    into secrets
    from attune_hidden.secret_paths(value, key, coalesce(schema -> 'x-no-secrets' = 'true', false)) as s (path);
  end if;

  if schema @? '$.properties.*."x-time-zone"' then
    select jsonb_agg(
      jsonb_build_object(
        'pointer', attune_private.json_pointer_step(m.name), 'keyword', 'x-time-zone', 'message', 'is no time zone'
      )
      order by m.name
    )
    into zones
    from jsonb_each(schema -> 'properties') as m (name, rule)
    where m.rule -> 'x-time-zone' = 'true'
      and jsonb_typeof(value -> m.name) = 'string'
      and attune_private.timezone_name(value ->> m.name) is null;
  end if;

  return case when secrets is null then zones else secrets || coalesce(zones, '[]') end;
end;
$$;
comment on function attune_private.annotation_problems(jsonb, jsonb, text) is
  'What JSON Schema has no words for, `[{pointer, keyword, message}]`: no value has what is a secret by its form, one '
  'with `x-no-secrets` none by the names of its members (or by `key`, that of the setting) either, one with '
  '`"x-no-secrets": false` may have any; a property with `x-time-zone` has only an IANA name. '
  'NULL when there is nothing.';
revoke all on function attune_private.annotation_problems(jsonb, jsonb, text) from public;
--! EndIncluded json-schema/private/annotation_problems.sql
