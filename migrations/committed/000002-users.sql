--! Previous: sha1:d5f50cbc1af61b810d8fa8fcf24a0c80269ee847
--! Hash: sha1:2f956b1a78cec565237b2361913a6a4ad5762051
--! Message: users

-- Plans

create table attune.plans (
  name text
    constraint plans_pkey primary key
    constraint plans_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  title text not null
    constraint plans_title_check check (char_length(title) between 1 and 200),
  description text not null default ''
    constraint plans_description_check check (char_length(description) <= 4000),
  rank integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table attune.plans is
  E'@behavior -insert -update -delete\n'
  '@rows 10\n'
  'What a user has subscribed to. '
  'Everybody may read the plans.';
comment on column attune.plans.name is 'The plan''s stable name, in lower case: `bootstrapper`.';
comment on column attune.plans.title is 'What people read.';
comment on column attune.plans.description is 'What the plan holds, for people.';
comment on column attune.plans.rank is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'Where the plan stands in a list, smallest first.';
comment on column attune.plans.created_at is 'When the plan was made.';
comment on column attune.plans.updated_at is
  'When it last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';

alter table attune.plans enable row level security;
create policy plans_select_anon on attune.plans for select to anon using (true);
create policy plans_select_authenticated on attune.plans for select to authenticated using (true);
create policy plans_all_service_role on attune.plans for all to service_role using (true) with check (true);

revoke all on attune.plans from public;
grant select on attune.plans to anon, authenticated, service_role;
grant insert (name, title, description, rank), update (title, description, rank, updated_at), delete
  on attune.plans to service_role;

insert into attune.plans (name, title, description)
values ('bootstrapper', 'Bootstrapper', 'The plan every user starts with.');

-- Who is asking

create type attune_private.caller as (user_id uuid, is_admin boolean, is_trusted boolean);
comment on type attune_private.caller is 'Who is asking: which user, if any, an administrator or not, a trusted server or not.';

--! Included users/private/own_issuer.sql
create or replace function attune_private.own_issuer()
returns text
language sql immutable parallel safe security invoker
begin atomic
  select 'attune';
end;
comment on function attune_private.own_issuer() is
  'The `iss` of the tokens that Attune signs itself. '
  'A token of any other issuer is never a user of ours by its `sub`.';
revoke all on function attune_private.own_issuer() from public;
--! EndIncluded users/private/own_issuer.sql
--! Included users/current_user_id.sql
create or replace function attune.current_user_id()
returns uuid
-- Not SQL: before PostgreSQL 18 that would be planned anew for every query.
language plpgsql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  claims constant jsonb := auth.jwt();
  session_id constant text := claims ->> 'session_id';
  uuid_pattern constant text := '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
begin
  if attune_private.acts_for_a_user() is not true then
    return null;
  end if;

  -- Definer, because the policies of these tables themselves ask who is asking.
  if claims ->> 'iss' <> attune_private.own_issuer() then
    return (
      select i.user_id
      from attune.user_identities as i
      where i.issuer = claims ->> 'iss'
        and i.subject = claims ->> 'sub'
        and not attune_private.is_spent(i.issuer, i.subject, claims -> 'iat')
    );
  elsif claims ->> 'sub' !~ uuid_pattern then
    return null;
  elsif session_id is null then
    -- As `auth.uid()` says, without reading the claims again.
    return (select u.id from attune.users as u where u.id = (claims ->> 'sub')::uuid);
  elsif session_id ~ uuid_pattern then
    return (
      select s.user_id
      from attune.sessions as s
      where s.user_id = (claims ->> 'sub')::uuid
        and s.id = session_id::uuid
        and s.revoked_at is null
        and s.idle_until > now()
        and s.expires_at > now()
    );
  end if;

  return null;
end;
$$;
comment on function attune.current_user_id() is
  'The id of the signed-in user, or NULL. '
  'The one place that turns a token''s claims into a user: the `sub` of our own tokens, as long as their session '
  'lasts, else the identity (`iss`, `sub`) of an outside provider, unless it was ended after the token was issued. '
  'A deleted user is nobody, and so is everybody in a request of the role `anon`.';
revoke all on function attune.current_user_id() from public;
grant execute on function attune.current_user_id() to anon, authenticated, service_role;
--! EndIncluded users/current_user_id.sql
--! Included users/private/request_role.sql
create or replace function attune_private.request_role()
returns name
language sql stable parallel restricted security invoker
begin atomic
  -- Inside a definer function current_user is the owner; the role that was set for the request still shows.
  select case current_setting('role') when 'none' then session_user else current_setting('role')::name end;
end;
comment on function attune_private.request_role() is
  'The database role that the request came with: what was set (`set role`), else who logged in. '
  'Claims play no part.';
revoke all on function attune_private.request_role() from public;
--! EndIncluded users/private/request_role.sql
--! Included users/private/is_owner.sql
create or replace function attune_private.is_owner()
returns boolean
language sql stable parallel restricted security invoker
begin atomic
  select pg_has_role(
    attune_private.request_role(),
    (select n.nspowner from pg_catalog.pg_namespace as n where n.nspname = 'attune'),
    'usage'
  );
end;
comment on function attune_private.is_owner() is
  'Whether the request comes from the owner of the schema: a migration, or somebody with the rights of one.';
revoke all on function attune_private.is_owner() from public;
--! EndIncluded users/private/is_owner.sql
--! Included users/private/is_trusted.sql
create or replace function attune_private.is_trusted()
returns boolean
language sql stable parallel restricted security invoker
begin atomic
  select pg_has_role(attune_private.request_role(), 'service_role', 'usage')
    or attune_private.is_owner();
end;
comment on function attune_private.is_trusted() is
  'Whether the request comes from a trusted server (`service_role`) or from the owner of the schema.';
revoke all on function attune_private.is_trusted() from public;
--! EndIncluded users/private/is_trusted.sql
--! Included users/private/acts_for_a_user.sql
create or replace function attune_private.acts_for_a_user()
returns boolean
language sql stable parallel restricted security invoker
begin atomic
  select pg_has_role(attune_private.request_role(), 'authenticated', 'usage') or attune_private.is_trusted();
end;
comment on function attune_private.acts_for_a_user() is
  'Whether the request may be a user''s: its role has the rights of `authenticated`, or it is trusted. '
  'Rights follow the role: with `anon`, a token is nobody''s, whatever it claims besides.';
revoke all on function attune_private.acts_for_a_user() from public;
--! EndIncluded users/private/acts_for_a_user.sql
--! Included users/private/current_caller.sql
create or replace function attune_private.current_caller()
returns attune_private.caller
language plpgsql stable parallel restricted security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  caller attune_private.caller;
begin
  caller.user_id := attune.current_user_id();
  caller.is_admin := exists (select from attune.users as u where u.id = caller.user_id and u.is_admin);
  caller.is_trusted := attune_private.is_trusted();
  return caller;
end;
$$;
comment on function attune_private.current_caller() is
  'Who is asking, and what they may do: found out once by the function that was called, and handed on to those that '
  'work for it.';
revoke all on function attune_private.current_caller() from public;
--! EndIncluded users/private/current_caller.sql
--! Included users/private/acting_agent.sql
create or replace function attune_private.acting_agent()
returns text
language sql stable parallel safe security invoker
begin atomic
  select case
    when coalesce(auth.jwt() -> 'act', 'null') = 'null' then null
    when jsonb_typeof(auth.jwt() #> '{act,sub}') = 'string' and auth.jwt() #>> '{act,sub}' ~ '\S'
      then left(btrim(auth.jwt() #>> '{act,sub}'), 200)
    -- An actor without a name: what it does is not said to be the user's own doing.
    else 'unnamed'
  end;
end;
comment on function attune_private.acting_agent() is
  'The agent that acts for the user: the `sub` of the token''s claim `act` (RFC 8693, 4.1), its first 200 characters; '
  '`"unnamed"` for one without; NULL when the token has no `act`, and the user acts in person. '
  'It gives no rights.';
revoke all on function attune_private.acting_agent() from public;
--! EndIncluded users/private/acting_agent.sql
--! Included users/private/require_user.sql
create or replace function attune_private.require_user(caller attune_private.caller)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if caller.user_id is null then
    raise exception using
      errcode = '42501',
      message = 'Nobody is signed in',
      detail = 'not_signed_in',
      hint = 'Send the access token of a user who still exists.';
  end if;
end;
$$;
comment on function attune_private.require_user(attune_private.caller) is
  'Refuses (`not_signed_in`) who is no user.';
revoke all on function attune_private.require_user(attune_private.caller) from public;
--! EndIncluded users/private/require_user.sql
--! Included users/private/require_somebody.sql
create or replace function attune_private.require_somebody(caller attune_private.caller)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if caller.is_trusted is not true then
    perform attune_private.require_user(caller);
  end if;
end;
$$;
comment on function attune_private.require_somebody(attune_private.caller) is
  'Refuses (`not_signed_in`) who is neither a user nor a trusted server.';
revoke all on function attune_private.require_somebody(attune_private.caller) from public;
--! EndIncluded users/private/require_somebody.sql
--! Included users/private/require_administrator.sql
create or replace function attune_private.require_administrator(caller attune_private.caller)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.require_somebody(caller);

  if (caller.is_admin or caller.is_trusted) is not true then
    raise exception using
      errcode = '42501',
      message = 'Only an administrator may do this',
      detail = 'admin_required',
      hint = 'Sign in as an administrator, or ask one.';
  end if;
end;
$$;
comment on function attune_private.require_administrator(attune_private.caller) is
  'Passes for administrators and trusted servers; refuses everybody else: `admin_required`, or '
  '`not_signed_in`.';
revoke all on function attune_private.require_administrator(attune_private.caller) from public;
--! EndIncluded users/private/require_administrator.sql
--! Included users/private/refuse_unknown_user.sql
create or replace function attune_private.refuse_unknown_user()
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT404',
    message = 'There is no such user',
    detail = 'unknown_user',
    hint = 'Give the id of a user who exists.';
end;
$$;
comment on function attune_private.refuse_unknown_user() is 'Refuses: `unknown_user`.';
revoke all on function attune_private.refuse_unknown_user() from public;
--! EndIncluded users/private/refuse_unknown_user.sql
--! Included users/private/check_user.sql
create or replace function attune_private.check_user(user_id uuid)
returns void
language plpgsql stable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from attune.users as u where u.id = check_user.user_id) then
    perform attune_private.refuse_unknown_user();
  end if;
end;
$$;
comment on function attune_private.check_user(uuid) is 'Refuses (`unknown_user`) the id of nobody, NULL among them.';
revoke all on function attune_private.check_user(uuid) from public;
--! EndIncluded users/private/check_user.sql
--! Included users/hidden/require_user_id.sql
create or replace function attune_hidden.require_user_id()
returns uuid
language plpgsql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  caller attune_private.caller;
begin
  caller.user_id := attune.current_user_id();
  perform attune_private.require_user(caller);
  return caller.user_id;
end;
$$;
comment on function attune_hidden.require_user_id() is
  'The id of the signed-in user. '
  'Refused (`not_signed_in`) when there is none.';
revoke all on function attune_hidden.require_user_id() from public;
grant execute on function attune_hidden.require_user_id() to anon, authenticated, service_role;
--! EndIncluded users/hidden/require_user_id.sql
--! Included users/hidden/require_admin.sql
create or replace function attune_hidden.require_admin()
returns void
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.require_administrator(attune_private.current_caller());
end;
$$;
comment on function attune_hidden.require_admin() is
  'Passes for administrators and trusted servers; refused (`admin_required`) for everybody else.';
revoke all on function attune_hidden.require_admin() from public;
grant execute on function attune_hidden.require_admin() to anon, authenticated, service_role;
--! EndIncluded users/hidden/require_admin.sql

-- Users. What asks whether somebody is an administrator reads the table, so it stands between it and its policies.

--! Included users/private/refuse_missing_title.sql
create or replace function attune_private.refuse_missing_title(message text, hint text)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using errcode = 'PT422', message = message, detail = 'title_required', hint = hint;
end;
$$;
comment on function attune_private.refuse_missing_title(text, text) is 'Refuses (`title_required`) what has no title.';
revoke all on function attune_private.refuse_missing_title(text, text) from public;
--! EndIncluded users/private/refuse_missing_title.sql
--! Included users/private/check_size.sql
create or replace function attune_private.check_size(what text, actual integer, maximum integer, unit text)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if actual > maximum then
    raise exception using
      errcode = 'PT422',
      message = format('%s is too large: %s %s, at most %s are allowed', what, actual, unit, maximum),
      detail = 'too_large',
      hint = 'Make it smaller.';
  end if;
end;
$$;
comment on function attune_private.check_size(text, integer, integer, text) is
  'Refuses (`too_large`) what is above its limit, naming both.';
revoke all on function attune_private.check_size(text, integer, integer, text) from public;
--! EndIncluded users/private/check_size.sql
--! Included users/private/check_depth.sql
create or replace function attune_private.check_depth(what text, value jsonb, levels integer default 64)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- The path goes no deeper than it says, and stops where it finds one.
  if jsonb_path_exists(
    check_depth.value,
    format('strict $.**{%s} ? (@.type() == "array" || @.type() == "object")', levels)::jsonpath
  ) then
    raise exception using
      errcode = 'PT422',
      message = format('%s is nested more than %s levels deep', what, levels),
      detail = 'value_too_deep',
      hint = 'Make the value flatter.';
  end if;
end;
$$;
comment on function attune_private.check_depth(text, jsonb, integer) is
  'Refuses (`value_too_deep`) JSON with more levels of arrays and objects than it may have.';
revoke all on function attune_private.check_depth(text, jsonb, integer) from public;
--! EndIncluded users/private/check_depth.sql
--! Included users/private/check_batch_size.sql
create or replace function attune_private.check_batch_size(batch_size integer, maximum integer, what text)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if batch_size between 1 and maximum is not true then
    raise exception using
      errcode = 'PT422',
      message = format('A batch is 1 to %s %s', maximum, what),
      detail = 'invalid_batch_size',
      hint = format('Give a whole number from 1 to %s.', maximum);
  end if;
end;
$$;
comment on function attune_private.check_batch_size(integer, integer, text) is
  'Refuses (`invalid_batch_size`) how many a batch is to have, unless it is from 1 to a maximum.';
revoke all on function attune_private.check_batch_size(integer, integer, text) from public;
--! EndIncluded users/private/check_batch_size.sql
--! Included users/private/check_claim.sql
create or replace function attune_private.check_claim(amount integer, lease interval, what text)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if (amount between 1 and 1000 and lease between interval '1 second' and interval '1 day') is not true then
    raise exception using
      errcode = 'PT422',
      message = format('A worker claims 1 to 1000 %s for one second to one day', what),
      detail = 'invalid_claim',
      hint = 'Give a smaller number, or another lease.';
  end if;
end;
$$;
comment on function attune_private.check_claim(integer, interval, text) is
  'Refuses (`invalid_claim`) what a worker wants to hold, unless it is a number from 1 to 1,000 for a second to a day.';
revoke all on function attune_private.check_claim(integer, interval, text) from public;
--! EndIncluded users/private/check_claim.sql
--! Included users/private/refuse_email.sql
create or replace function attune_private.refuse_email()
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT422',
    message = 'This is no e-mail address',
    detail = 'invalid_email',
    hint = 'Send an address such as ada@example.com.';
end;
$$;
comment on function attune_private.refuse_email() is 'Refuses: `invalid_email`.';
revoke all on function attune_private.refuse_email() from public;
--! EndIncluded users/private/refuse_email.sql
--! Included users/private/refuse_taken_email.sql
create or replace function attune_private.refuse_taken_email(hint text)
returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'PT409',
    message = 'This e-mail address is taken',
    detail = 'email_taken',
    hint = hint;
end;
$$;
comment on function attune_private.refuse_taken_email(text) is 'Refuses, saying what to do instead: `email_taken`.';
revoke all on function attune_private.refuse_taken_email(text) from public;
--! EndIncluded users/private/refuse_taken_email.sql
--! Included users/private/lower_case.sql
-- Of Unicode 17.0: what PostgreSQL itself says depends on the server's locale.
create or replace function attune_private.lower_case(value text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  select translate(
    -- The one capital whose small letter is two characters.
    replace(value, E'\u0130', E'i\u0307'),
    -- capitals
    'ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦ'
    'ŨŪŬŮŰŲŴŶŸŹŻŽƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƠƢƤƦƧƩƬƮƯƱƲƳƵƷƸƼǄǅǇǈǊǋǍǏǑǓǕǗǙǛǞǠǢǤǦǨǪǬǮǱǲǴǶǷǸǺǼǾȀȂȄȆȈȊȌȎȐȒȔȖȘȚȜȞȠȢȤȦȨȪȬȮȰȲ'
    'ȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫϏϘϚϜϞϠϢϤϦϨϪϬϮϴϷϹϺϽϾϿЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУ'
    'ФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢ'
    'ԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻႼႽႾႿჀჁჂჃჄჅჇჍᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫᎬᎭᎮᎯᎰᎱᎲᎳᎴᎵ'
    'ᎶᎷᎸᎹᎺᎻᎼᎽᎾᎿᏀᏁᏂᏃᏄᏅᏆᏇᏈᏉᏊᏋᏌᏍᏎᏏᏐᏑᏒᏓᏔᏕᏖᏗᏘᏙᏚᏛᏜᏝᏞᏟᏠᏡᏢᏣᏤᏥᏦᏧᏨᏩᏪᏫᏬᏭᏮᏯᏰᏱᏲᏳᏴᏵᲉᲐᲑᲒᲓᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲᲳᲴᲵᲶᲷᲸ'
    'ᲹᲺᲽᲾᲿḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠḢḤḦḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐ'
    'ỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸỺỼỾἈἉἊἋἌἍἎἏἘἙἚἛἜἝἨἩἪἫἬἭἮἯἸἹἺἻἼἽἾἿὈὉὊὋὌὍὙὛὝὟὨὩὪὫὬὭὮὯᾈᾉᾊᾋᾌᾍᾎᾏᾘᾙᾚᾛᾜᾝᾞᾟᾨᾩᾪᾫᾬᾭᾮᾯᾸᾹᾺΆᾼῈΈῊΉῌῘ'
    'ῙῚΊῨῩῪΎῬῸΌῺΏῼΩKÅℲⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫⅬⅭⅮⅯↃⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿⓀⓁⓂⓃⓄⓅⓆⓇⓈⓉⓊⓋⓌⓍⓎⓏⰀⰁⰂⰃⰄⰅⰆⰇⰈⰉⰊⰋⰌⰍⰎⰏⰐⰑⰒⰓⰔⰕⰖⰗⰘⰙⰚⰛⰜⰝⰞⰟⰠⰡⰢⰣⰤⰥⰦⰧⰨⰩⰪⰫⰬⰭ'
    'ⰮⰯⱠⱢⱣⱤⱧⱩⱫⱭⱮⱯⱰⱲⱵⱾⱿⲀⲂⲄⲆⲈⲊⲌⲎⲐⲒⲔⲖⲘⲚⲜⲞⲠⲢⲤⲦⲨⲪⲬⲮⲰⲲⲴⲶⲸⲺⲼⲾⳀⳂⳄⳆⳈⳊⳌⳎⳐⳒⳔⳖⳘⳚⳜⳞⳠⳢⳫⳭⳲꙀꙂꙄꙆꙈꙊꙌꙎꙐꙒꙔꙖꙘꙚꙜꙞꙠꙢꙤꙦꙨꙪꙬꚀꚂꚄꚆꚈꚊꚌꚎꚐꚒꚔꚖꚘ'
    'ꚚꜢꜤꜦꜨꜪꜬꜮꜲꜴꜶꜸꜺꜼꜾꝀꝂꝄꝆꝈꝊꝌꝎꝐꝒꝔꝖꝘꝚꝜꝞꝠꝢꝤꝦꝨꝪꝬꝮꝹꝻꝽꝾꞀꞂꞄꞆꞋꞍꞐꞒꞖꞘꞚꞜꞞꞠꞢꞤꞦꞨꞪꞫꞬꞭꞮꞰꞱꞲꞳꞴꞶꞸꞺꞼꞾꟀꟂꟄꟅꟆꟇꟉꟋꟌ꟎Ꟑ꟒꟔ꟖꟘꟚꟜꟵＡＢＣＤＥＦＧＨＩＪＫＬ'
    'ＭＮＯＰＱＲＳＴＵＶＷＸＹＺ𐐀𐐁𐐂𐐃𐐄𐐅𐐆𐐇𐐈𐐉𐐊𐐋𐐌𐐍𐐎𐐏𐐐𐐑𐐒𐐓𐐔𐐕𐐖𐐗𐐘𐐙𐐚𐐛𐐜𐐝𐐞𐐟𐐠𐐡𐐢𐐣𐐤𐐥𐐦𐐧𐒰𐒱𐒲𐒳𐒴𐒵'
    '𐒶𐒷𐒸𐒹𐒺𐒻𐒼𐒽𐒾𐒿𐓀𐓁𐓂𐓃𐓄𐓅𐓆𐓇𐓈𐓉𐓊𐓋𐓌𐓍𐓎𐓏𐓐𐓑𐓒𐓓𐕰𐕱𐕲𐕳𐕴𐕵𐕶𐕷𐕸𐕹𐕺𐕼𐕽𐕾𐕿𐖀𐖁𐖂𐖃𐖄𐖅𐖆𐖇'
    '𐖈𐖉𐖊𐖌𐖍𐖎𐖏𐖐𐖑𐖒𐖔𐖕𐲀𐲁𐲂𐲃𐲄𐲅𐲆𐲇𐲈𐲉𐲊𐲋𐲌𐲍𐲎𐲏𐲐𐲑𐲒𐲓𐲔𐲕𐲖𐲗𐲘𐲙𐲚𐲛𐲜𐲝𐲞𐲟𐲠𐲡𐲢𐲣𐲤𐲥𐲦𐲧𐲨'
    '𐲩𐲪𐲫𐲬𐲭𐲮𐲯𐲰𐲱𐲲𐵐𐵑𐵒𐵓𐵔𐵕𐵖𐵗𐵘𐵙𐵚𐵛𐵜𐵝𐵞𐵟𐵠𐵡𐵢𐵣𐵤𐵥𑢠𑢡𑢢𑢣𑢤𑢥𑢦𑢧𑢨𑢩𑢪𑢫𑢬𑢭𑢮𑢯𑢰𑢱𑢲𑢳𑢴'
    '𑢵𑢶𑢷𑢸𑢹𑢺𑢻𑢼𑢽𑢾𑢿𖹀𖹁𖹂𖹃𖹄𖹅𖹆𖹇𖹈𖹉𖹊𖹋𖹌𖹍𖹎𖹏𖹐𖹑𖹒𖹓𖹔𖹕𖹖𖹗𖹘𖹙𖹚𖹛𖹜𖹝𖹞𖹟𖺠𖺡𖺢𖺣𖺤𖺥𖺦𖺧𖺨𖺩'
    '𖺪𖺫𖺬𖺭𖺮𖺯𖺰𖺱𖺲𖺳𖺴𖺵𖺶𖺷𖺸𞤀𞤁𞤂𞤃𞤄𞤅𞤆𞤇𞤈𞤉𞤊𞤋𞤌𞤍𞤎𞤏𞤐𞤑𞤒𞤓𞤔𞤕𞤖𞤗𞤘𞤙𞤚𞤛𞤜𞤝𞤞𞤟𞤠𞤡',
    -- small letters
    'abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀłńņňŋōŏőœŕŗřśŝşšţťŧ'
    'ũūŭůűųŵŷÿźżžɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵơƣƥʀƨʃƭʈưʊʋƴƶʒƹƽǆǆǉǉǌǌǎǐǒǔǖǘǚǜǟǡǣǥǧǩǫǭǯǳǳǵƕƿǹǻǽǿȁȃȅȇȉȋȍȏȑȓȕȗșțȝȟƞȣȥȧȩȫȭȯȱȳ'
    'ⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳάέήίόύώαβγδεζηθικλμνξοπρστυφχψωϊϋϗϙϛϝϟϡϣϥϧϩϫϭϯθϸϲϻͻͼͽѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрсту'
    'фхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣ'
    'ԥԧԩԫԭԯաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛⴜⴝⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭꭰꭱꭲꭳꭴꭵꭶꭷꭸꭹꭺꭻꭼꭽꭾꭿꮀꮁꮂꮃꮄꮅ'
    'ꮆꮇꮈꮉꮊꮋꮌꮍꮎꮏꮐꮑꮒꮓꮔꮕꮖꮗꮘꮙꮚꮛꮜꮝꮞꮟꮠꮡꮢꮣꮤꮥꮦꮧꮨꮩꮪꮫꮬꮭꮮꮯꮰꮱꮲꮳꮴꮵꮶꮷꮸꮹꮺꮻꮼꮽꮾꮿᏸᏹᏺᏻᏼᏽᲊაბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰჱჲჳჴჵჶჷჸ'
    'ჹჺჽჾჿḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡḣḥḧḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏố'
    'ồổỗộớờởỡợụủứừửữựỳỵỷỹỻỽỿἀἁἂἃἄἅἆἇἐἑἒἓἔἕἠἡἢἣἤἥἦἧἰἱἲἳἴἵἶἷὀὁὂὃὄὅὑὓὕὗὠὡὢὣὤὥὦὧᾀᾁᾂᾃᾄᾅᾆᾇᾐᾑᾒᾓᾔᾕᾖᾗᾠᾡᾢᾣᾤᾥᾦᾧᾰᾱὰάᾳὲέὴήῃῐ'
    'ῑὶίῠῡὺύῥὸόὼώῳωkåⅎⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅺⅻⅼⅽⅾⅿↄⓐⓑⓒⓓⓔⓕⓖⓗⓘⓙⓚⓛⓜⓝⓞⓟⓠⓡⓢⓣⓤⓥⓦⓧⓨⓩⰰⰱⰲⰳⰴⰵⰶⰷⰸⰹⰺⰻⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆⱇⱈⱉⱊⱋⱌⱍⱎⱏⱐⱑⱒⱓⱔⱕⱖⱗⱘⱙⱚⱛⱜⱝ'
    'ⱞⱟⱡɫᵽɽⱨⱪⱬɑɱɐɒⱳⱶȿɀⲁⲃⲅⲇⲉⲋⲍⲏⲑⲓⲕⲗⲙⲛⲝⲟⲡⲣⲥⲧⲩⲫⲭⲯⲱⲳⲵⲷⲹⲻⲽⲿⳁⳃⳅⳇⳉⳋⳍⳏⳑⳓⳕⳗⳙⳛⳝⳟⳡⳣⳬⳮⳳꙁꙃꙅꙇꙉꙋꙍꙏꙑꙓꙕꙗꙙꙛꙝꙟꙡꙣꙥꙧꙩꙫꙭꚁꚃꚅꚇꚉꚋꚍꚏꚑꚓꚕꚗꚙ'
    'ꚛꜣꜥꜧꜩꜫꜭꜯꜳꜵꜷꜹꜻꜽꜿꝁꝃꝅꝇꝉꝋꝍꝏꝑꝓꝕꝗꝙꝛꝝꝟꝡꝣꝥꝧꝩꝫꝭꝯꝺꝼᵹꝿꞁꞃꞅꞇꞌɥꞑꞓꞗꞙꞛꞝꞟꞡꞣꞥꞧꞩɦɜɡɬɪʞʇʝꭓꞵꞷꞹꞻꞽꞿꟁꟃꞔʂᶎꟈꟊɤꟍ꟏ꟑꟓꟕꟗꟙꟛƛꟶａｂｃｄｅｆｇｈｉｊｋｌ'
    'ｍｎｏｐｑｒｓｔｕｖｗｘｙｚ𐐨𐐩𐐪𐐫𐐬𐐭𐐮𐐯𐐰𐐱𐐲𐐳𐐴𐐵𐐶𐐷𐐸𐐹𐐺𐐻𐐼𐐽𐐾𐐿𐑀𐑁𐑂𐑃𐑄𐑅𐑆𐑇𐑈𐑉𐑊𐑋𐑌𐑍𐑎𐑏𐓘𐓙𐓚𐓛𐓜𐓝'
    '𐓞𐓟𐓠𐓡𐓢𐓣𐓤𐓥𐓦𐓧𐓨𐓩𐓪𐓫𐓬𐓭𐓮𐓯𐓰𐓱𐓲𐓳𐓴𐓵𐓶𐓷𐓸𐓹𐓺𐓻𐖗𐖘𐖙𐖚𐖛𐖜𐖝𐖞𐖟𐖠𐖡𐖣𐖤𐖥𐖦𐖧𐖨𐖩𐖪𐖫𐖬𐖭𐖮'
    '𐖯𐖰𐖱𐖳𐖴𐖵𐖶𐖷𐖸𐖹𐖻𐖼𐳀𐳁𐳂𐳃𐳄𐳅𐳆𐳇𐳈𐳉𐳊𐳋𐳌𐳍𐳎𐳏𐳐𐳑𐳒𐳓𐳔𐳕𐳖𐳗𐳘𐳙𐳚𐳛𐳜𐳝𐳞𐳟𐳠𐳡𐳢𐳣𐳤𐳥𐳦𐳧𐳨'
    '𐳩𐳪𐳫𐳬𐳭𐳮𐳯𐳰𐳱𐳲𐵰𐵱𐵲𐵳𐵴𐵵𐵶𐵷𐵸𐵹𐵺𐵻𐵼𐵽𐵾𐵿𐶀𐶁𐶂𐶃𐶄𐶅𑣀𑣁𑣂𑣃𑣄𑣅𑣆𑣇𑣈𑣉𑣊𑣋𑣌𑣍𑣎𑣏𑣐𑣑𑣒𑣓𑣔'
    '𑣕𑣖𑣗𑣘𑣙𑣚𑣛𑣜𑣝𑣞𑣟𖹠𖹡𖹢𖹣𖹤𖹥𖹦𖹧𖹨𖹩𖹪𖹫𖹬𖹭𖹮𖹯𖹰𖹱𖹲𖹳𖹴𖹵𖹶𖹷𖹸𖹹𖹺𖹻𖹼𖹽𖹾𖹿𖺻𖺼𖺽𖺾𖺿𖻀𖻁𖻂𖻃𖻄'
    '𖻅𖻆𖻇𖻈𖻉𖻊𖻋𖻌𖻍𖻎𖻏𖻐𖻑𖻒𖻓𞤢𞤣𞤤𞤥𞤦𞤧𞤨𞤩𞤪𞤫𞤬𞤭𞤮𞤯𞤰𞤱𞤲𞤳𞤴𞤵𞤶𞤷𞤸𞤹𞤺𞤻𞤼𞤽𞤾𞤿𞥀𞥁𞥂𞥃'
  );
end;
comment on function attune_private.lower_case(text) is
  'A text in lower case, by Unicode: what `lower` does depends on the database''s locale.';
revoke all on function attune_private.lower_case(text) from public;
--! EndIncluded users/private/lower_case.sql
--! Included users/private/has_invisible.sql
-- Of Unicode 17.0: what PostgreSQL itself says depends on the server's locale.
create or replace function attune_private.has_invisible(value text)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  select coalesce(
    value ~ (
      '['
      -- invisible
      '\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u115f-\u1160'
      '\u1680\u17b4-\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ue000-\uf8ff'
      '\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3'
      '\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U000ffffd\U00100000-\U0010fffd'
      ']'
    ),
    false
  );
end;
comment on function attune_private.has_invisible(text) is
  'Whether a text has a character that nobody sees: blanks, control and format characters, and what Unicode says '
  'may be ignored.';
revoke all on function attune_private.has_invisible(text) from public;
--! EndIncluded users/private/has_invisible.sql
--! Included users/private/punycode.sql
create or replace function attune_private.punycode(label text)
returns text
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  points constant integer[] := array(select ascii(c.sign) from regexp_split_to_table(label, '') as c (sign));
  digits constant text := 'abcdefghijklmnopqrstuvwxyz0123456789';
  encoded text := array_to_string(array(select chr(p) from unnest(points) with ordinality as u (p, place) where p < 128 order by place), '');
  basic constant integer := char_length(encoded);
  handled integer := basic;
  reached integer := 128;
  delta bigint := 0;
  bias integer := 72;
  next_point integer;
  point integer;
  rest bigint;
  threshold integer;
  k integer;
begin
  if basic > 0 then
    encoded := encoded || '-';
  end if;

  while handled < cardinality(points) loop
    select min(p) into next_point from unnest(points) as u (p) where p >= reached;
    delta := delta + (next_point - reached)::bigint * (handled + 1);
    reached := next_point;

    foreach point in array points loop
      if point < reached then
        delta := delta + 1;
      elsif point = reached then
        rest := delta;
        k := 36;

        loop
          threshold := least(greatest(k - bias, 1), 26);
          exit when rest < threshold;
          encoded := encoded || substr(digits, (threshold + (rest - threshold) % (36 - threshold))::integer + 1, 1);
          rest := (rest - threshold) / (36 - threshold);
          k := k + 36;
        end loop;

        encoded := encoded || substr(digits, rest::integer + 1, 1);

        -- The bias of the next one.
        delta := case when handled = basic then delta / 700 else delta / 2 end;
        delta := delta + delta / (handled + 1);
        k := 0;

        while delta > 455 loop
          delta := delta / 35;
          k := k + 36;
        end loop;

        bias := k + (36 * delta / (delta + 38))::integer;
        delta := 0;
        handled := handled + 1;
      end if;
    end loop;

    delta := delta + 1;
    reached := reached + 1;
  end loop;

  return encoded;
end;
$$;
comment on function attune_private.punycode(text) is
  'A label of a domain in ASCII, without the prefix `xn--`: Punycode, RFC 3492.';
revoke all on function attune_private.punycode(text) from public;
--! EndIncluded users/private/punycode.sql
--! Included users/private/ascii_domain.sql
create or replace function attune_private.ascii_domain(domain text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  -- What UTS #46 maps: width and other forms of a character, capitals, and the full stops of other scripts.
  select case
    when domain ~ '^[ -~]*$' then domain
    else (
      select string_agg(
        case when l.label ~ '^[ -~]*$' then l.label else 'xn--' || attune_private.punycode(l.label) end,
        '.' order by l.place
      )
      from regexp_split_to_table(
        normalize(attune_private.lower_case(normalize(domain, nfkc)), nfkc), E'[.\u3002]'
      ) with ordinality as l (label, place)
    )
  end;
end;
comment on function attune_private.ascii_domain(text) is
  'A domain as mail is sent to it: a label that is not ASCII in Punycode (IDNA, RFC 5891).';
revoke all on function attune_private.ascii_domain(text) from public;
--! EndIncluded users/private/ascii_domain.sql
--! Included users/private/mail_address.sql
create or replace function attune_private.mail_address(email text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  -- The shape, not the truth: that comes with a mail that is answered. Of a domain, as browsers judge it.
  select a.address
  from (
    select
      normalize(split_part(btrim(email), '@', 1), nfc)
        || '@' || attune_private.ascii_domain(split_part(btrim(email), '@', 2)) as address
    where char_length(email) <= 1000
      and btrim(email) ~ '^[^@]+@[^@]+$'
      and not attune_private.has_invisible(btrim(email))
  ) as a
  where char_length(a.address) <= 254
    and a.address ~ '^[^@<>",;:()\\[\]]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$';
end;
comment on function attune_private.mail_address(text) is
  'An e-mail address as it is kept and as mail is sent to it: trimmed, in Unicode''s form NFC, its domain in ASCII. '
  'NULL for what is none.';
revoke all on function attune_private.mail_address(text) from public;
--! EndIncluded users/private/mail_address.sql
--! Included users/private/email_key.sql
create or replace function attune_private.email_key(email text)
returns text
language sql immutable parallel safe security invoker
begin atomic
  -- A small letter may make one character with its marks where the capital did not; and sigma has two forms.
  select normalize(replace(attune_private.lower_case(attune_private.mail_address(email)), E'\u03c2', E'\u03c3'), nfc);
end;
comment on function attune_private.email_key(text) is
  'By what an e-mail address is known: one mailbox, however it is written, has one. '
  'NULL for what is no address.';
revoke all on function attune_private.email_key(text) from public;
--! EndIncluded users/private/email_key.sql
--! Included users/private/is_avatar_url.sql
create or replace function attune_private.is_avatar_url(url text)
returns boolean
language sql immutable parallel safe security invoker
begin atomic
  -- A browser takes // and /\ at the beginning for another server.
  select coalesce(
    char_length(url) <= 2048
      and url !~ '[[:space:][:cntrl:]\\]'
      and url ~ '^(https://[^/?#]|/([^/]|$))',
    false
  );
end;
comment on function attune_private.is_avatar_url(text) is
  'Whether a text is an `https` address or a path on the application''s own server.';
revoke all on function attune_private.is_avatar_url(text) from public;
--! EndIncluded users/private/is_avatar_url.sql
--! Included users/private/timezone_name.sql
create or replace function attune_private.timezone_name(name text)
returns text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  canonical text;
begin
  -- PostgreSQL also takes POSIX rules ('XYZ+3', 'EST5EDT,M3.2.0'); no name but these has a digit.
  if (name ~* '^([a-z_-]+(/[a-z_-]+){0,2}|etc/gmt(0|-(\d|1[0-4])|\+(\d|1[0-2]))|gmt[+-]?0|(est5e|cst6c|mst7m|pst8p)dt)$') is not true then
    return null;
  end if;

  -- Faster by far than pg_timezone_names, and unlike `at time zone` it takes no abbreviation. Ends with the function.
  canonical := set_config('TimeZone', name, true);
  canonical := current_setting('TimeZone');
  return case when canonical ~ '^[A-Z]' then canonical end;
exception
  when invalid_parameter_value then
    return null;
end;
$$;
comment on function attune_private.timezone_name(text) is
  'The IANA name of a time zone, spelled as the standard spells it; NULL when there is no such zone.';
revoke all on function attune_private.timezone_name(text) from public;
--! EndIncluded users/private/timezone_name.sql
--! Included users/triggers/tg__require_admin.sql
create or replace function attune_private.tg__require_admin()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.require_administrator(attune_private.current_caller());
  return null;
end;
$$;
comment on function attune_private.tg__require_admin() is
  'Refuses (`admin_required`) who is no administrator before a row is judged: row level security would come after it.';
revoke all on function attune_private.tg__require_admin() from public;
--! EndIncluded users/triggers/tg__require_admin.sql
--! Included users/triggers/tg__transaction.sql
create or replace function attune_private.tg__transaction()
returns trigger
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  new.transaction_id := pg_current_xact_id();
  return new;
end;
$$;
comment on function attune_private.tg__transaction() is
  'Keeps `transaction_id`: in which transaction a row last changed, by which `changes_since` finds it.';
revoke all on function attune_private.tg__transaction() from public;
--! EndIncluded users/triggers/tg__transaction.sql
--! Included users/triggers/tg__timestamps.sql
create or replace function attune_private.tg__timestamps()
returns trigger
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Later than what it was in any case: it is the version of the row.
  new.updated_at := greatest(now(), old.updated_at + interval '1 microsecond');
  return new;
end;
$$;
comment on function attune_private.tg__timestamps() is
  'Keeps `updated_at`: when a row last changed, which no two versions of it have in common.';
revoke all on function attune_private.tg__timestamps() from public;
--! EndIncluded users/triggers/tg__timestamps.sql
--! Included users/private/check_unchanged.sql
create or replace function attune_private.check_unchanged(updated_at timestamptz, expected_updated_at timestamptz)
returns void
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  if expected_updated_at is not null and expected_updated_at is distinct from updated_at then
    raise exception using
      errcode = 'PT409',
      message = case
        when updated_at is null then 'It has been reset since it was read'
        else format('It has been changed since it was read, at %s', updated_at)
      end,
      detail = 'changed_meanwhile',
      hint = 'Read it again, and decide again.';
  end if;
end;
$$;
comment on function attune_private.check_unchanged(timestamptz, timestamptz) is
  'Refuses (`changed_meanwhile`) a write by somebody who has read another state than what is stored; NULL expects '
  'nothing.';
revoke all on function attune_private.check_unchanged(timestamptz, timestamptz) from public;
--! EndIncluded users/private/check_unchanged.sql
--! Included users/triggers/tg__check_version.sql
create or replace function attune_private.tg__check_version()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform attune_private.check_unchanged(old.updated_at, new.updated_at);
  return new;
end;
$$;
comment on function attune_private.tg__check_version() is
  'Refuses (`changed_meanwhile`) an update that was made from another version of the row than is stored: `updated_at`, '
  'where an update names it, is the version that was read.';
revoke all on function attune_private.tg__check_version() from public;
--! EndIncluded users/triggers/tg__check_version.sql
--! Included users/triggers/tg_users__validate.sql
create or replace function attune_private.tg_users__validate()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  zone text;
begin
  perform attune_private.check_size('The e-mail address', char_length(new.email), 254, 'characters');
  perform attune_private.check_size('The name', char_length(new.name), 200, 'characters');
  perform attune_private.check_size('The address of the picture', char_length(new.avatar_url), 2048, 'characters');
  perform attune_private.check_size('The name of the company', char_length(new.company_name), 200, 'characters');
  perform attune_private.check_size('The role', char_length(new.role), 100, 'characters');

  if new.email is not null and (tg_op = 'INSERT' or new.email is distinct from old.email) then
    new.email := attune_private.mail_address(new.email);

    if new.email is null then
      perform attune_private.refuse_email();
    end if;
  end if;

  if new.avatar_url is not null and not attune_private.is_avatar_url(new.avatar_url) then
    raise exception using
      errcode = 'PT422',
      message = 'This is no address of a picture',
      detail = 'invalid_avatar_url',
      hint = 'Send an address that begins with https://, or a path that begins with a single /.';
  end if;

  if tg_op = 'INSERT' or new.timezone is distinct from old.timezone then
    zone := attune_private.timezone_name(new.timezone);

    if zone is null then
      raise exception using
        errcode = 'PT422',
        message = 'There is no such time zone',
        detail = 'invalid_timezone',
        hint = 'Send an IANA name such as Europe/Berlin.';
    end if;

    new.timezone := zone;
  end if;

  return new;
end;
$$;
comment on function attune_private.tg_users__validate() is
  'Trims and checks what users write about themselves (`too_large`, `invalid_email`, `invalid_avatar_url`, '
  '`invalid_timezone`).';
revoke all on function attune_private.tg_users__validate() from public;
--! EndIncluded users/triggers/tg_users__validate.sql
--! Included users/triggers/tg_users__email.sql
create or replace function attune_private.tg_users__email()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.email is null then
    delete from attune.user_emails as e where e.user_id = new.id;
    return null;
  end if;

  insert into attune.user_emails as e (email, user_id)
  values (attune_private.email_key(new.email), new.id)
  on conflict (user_id) do update set
    email = excluded.email,
    verified_at = case e.email when excluded.email then e.verified_at end;

  return null;
exception
  when unique_violation then
    perform attune_private.refuse_taken_email('Sign in with it, or use another address.');
end;
$$;
comment on function attune_private.tg_users__email() is
  'Keeps an e-mail unique without regard to case (`email_taken`). '
  'Another address has to be verified anew.';
revoke all on function attune_private.tg_users__email() from public;
--! EndIncluded users/triggers/tg_users__email.sql

create table attune.users (
  id uuid not null default gen_random_uuid()
    constraint users_pkey primary key,
  email text
    constraint users_email_check check (char_length(email) between 3 and 254 and email ~ '^[^@\s]+@[^@\s]+$'),
  name text
    constraint users_name_check check (char_length(name) <= 200),
  avatar_url text
    constraint users_avatar_url_check check (char_length(avatar_url) <= 2048),
  company_name text
    constraint users_company_name_check check (char_length(company_name) <= 200),
  role text
    constraint users_role_check check (char_length(role) <= 100),
  timezone text not null default 'UTC'
    constraint users_timezone_check check (char_length(timezone) between 1 and 64),
  onboarding_completed boolean not null default false,
  plan text not null default 'bootstrapper'
    constraint users_plan_fkey references attune.plans (name) on update cascade on delete restrict,
  is_admin boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index users_plan_idx on attune.users (plan);
create index users_email_idx on attune.users (email);
create index users_created_at_idx on attune.users (created_at, id);
-- As lists of people are ordered: who has none comes first.
create index users_email_order_idx on attune.users (coalesce(email, ''), id);
create index users_name_order_idx on attune.users (coalesce(name, ''), id);
comment on table attune.users is
  E'@behavior -insert -delete\n'
  'The people whose settings these are. '
  'A user sees and edits only their own row; administrators see all.';
comment on column attune.users.id is 'The subject (`sub`) of the user''s own tokens.';
comment on column attune.users.email is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'Unique without regard to case; null when an outside provider told none. '
  'Not editable here.';
comment on column attune.users.name is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'The name other people see, at most 200 characters.';
comment on column attune.users.avatar_url is
  'The address of a picture: `https://…`, or a path on the application''s own server; at most 2,048 characters.';
comment on column attune.users.company_name is 'Where the user works, at most 200 characters.';
comment on column attune.users.role is
  'What the user does there, in their own words. '
  'It gives no rights.';
comment on column attune.users.timezone is 'The user''s time zone, an IANA name: `Europe/Berlin`.';
comment on column attune.users.onboarding_completed is 'Whether the user has finished the application''s introduction.';
comment on column attune.users.plan is
  'What the user has subscribed to. '
  'Not editable by the user.';
comment on column attune.users.is_admin is
  E'@behavior +attribute:filterBy\n'
  'Whether the user may read everybody''s settings and write the global ones. '
  'Not editable by anybody with a token.';
comment on column attune.users.created_at is 'When the user was registered.';
comment on column attune.users.updated_at is
  'When the row last changed. '
  'In an update: the version that is changed, which was read (`changed_meanwhile`).';
comment on constraint users_plan_fkey on attune.users is
  E'@behavior -*\n'
  'The plans are few: a client reads them once.';

--! Included users/is_admin.sql
create or replace function attune.is_admin()
returns boolean
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select exists (
    select from attune.users as u
    where u.id = (select attune.current_user_id())
      and u.is_admin
  );
end;
comment on function attune.is_admin() is
  'Whether the signed-in user is an administrator; false when nobody is signed in.';
revoke all on function attune.is_admin() from public;
grant execute on function attune.is_admin() to anon, authenticated, service_role;
--! EndIncluded users/is_admin.sql
--! Included users/hidden/visible_from.sql
create or replace function attune_hidden.visible_from()
returns uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  -- A range, because `user_id = … or is_admin` could not use an index: a user's own read would scan everybody's rows.
  select case when u.is_admin then '00000000-0000-0000-0000-000000000000'::uuid else u.id end
  from attune.users as u
  where u.id = (select attune.current_user_id());
end;
comment on function attune_hidden.visible_from() is
  'The first user id whose rows the caller may see: the caller''s own, an administrator''s the lowest there is. '
  'With `visible_to` the range that policies compare with; NULL when nobody is signed in.';
revoke all on function attune_hidden.visible_from() from public;
grant execute on function attune_hidden.visible_from() to anon, authenticated, service_role;
--! EndIncluded users/hidden/visible_from.sql
--! Included users/hidden/visible_to.sql
create or replace function attune_hidden.visible_to()
returns uuid
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select case when u.is_admin then 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid else u.id end
  from attune.users as u
  where u.id = (select attune.current_user_id());
end;
comment on function attune_hidden.visible_to() is
  'The last user id whose rows the caller may see: the caller''s own, an administrator''s the highest there is. '
  'With `visible_from` the range that policies compare with; NULL when nobody is signed in.';
revoke all on function attune_hidden.visible_to() from public;
grant execute on function attune_hidden.visible_to() to anon, authenticated, service_role;
--! EndIncluded users/hidden/visible_to.sql

alter table attune.users enable row level security;
create policy users_select_self_or_admin on attune.users for select to authenticated
  using (id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy users_update_self on attune.users for update to authenticated
  using (id = (select attune.current_user_id()))
  with check (id = (select attune.current_user_id()));
create policy users_all_service_role on attune.users for all to service_role using (true) with check (true);

revoke all on attune.users from public;
grant select on attune.users to authenticated, service_role;
grant update (name, avatar_url, company_name, role, timezone, onboarding_completed, updated_at)
  on attune.users to authenticated;
grant
  insert (id, email, name, avatar_url, company_name, role, timezone, onboarding_completed, plan, is_admin),
  update (email, name, avatar_url, company_name, role, timezone, onboarding_completed, plan, is_admin, updated_at),
  delete
  on attune.users to service_role;

create trigger _060_check_version before update on attune.plans
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.plans
  for each row execute function attune_private.tg__timestamps();

create trigger _050_validate before insert or update on attune.users
  for each row execute function attune_private.tg_users__validate();
create trigger _060_check_version before update on attune.users
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.users
  for each row execute function attune_private.tg__timestamps();
create trigger _200_email after insert or update of email on attune.users
  for each row execute function attune_private.tg_users__email();

-- Uniqueness of an e-mail lives in a table of its own, because `users` may be sharded by user.
create table attune.user_emails (
  email text
    constraint user_emails_pkey primary key
    constraint user_emails_email_check check (email = lower(btrim(email) collate "C") and char_length(email) <= 254),
  user_id uuid not null
    constraint user_emails_user_id_key unique
    constraint user_emails_user_id_fkey references attune.users (id) on delete cascade,
  verified_at timestamptz
);
comment on table attune.user_emails is
  E'@behavior -*\n'
  'Which user an e-mail address belongs to, in lower case. '
  'Kept by a trigger on `users`.';
comment on column attune.user_emails.email is 'The address in the one form by which it is known: in lower case, its domain in ASCII.';
comment on column attune.user_emails.user_id is 'Whose address it is.';
comment on column attune.user_emails.verified_at is
  'When the user showed that the address is theirs; null while they have not.';

alter table attune.user_emails enable row level security;
create policy user_emails_select_self_or_admin on attune.user_emails for select to authenticated
  using (user_id between (select attune_hidden.visible_from()) and (select attune_hidden.visible_to()));
create policy user_emails_select_service_role on attune.user_emails for select to service_role using (true);

revoke all on attune.user_emails from public;
grant select on attune.user_emails to authenticated, service_role;

-- How a user comes in from an outside provider

create table attune.user_identities (
  issuer text
    constraint user_identities_issuer_check check (char_length(issuer) between 1 and 2048),
  subject text
    constraint user_identities_subject_check check (char_length(subject) between 1 and 255),
  user_id uuid not null
    constraint user_identities_user_id_fkey references attune.users (id) on delete cascade,
  email text
    constraint user_identities_email_check check (char_length(email) <= 254),
  name text
    constraint user_identities_name_check check (char_length(name) <= 200),
  avatar_url text
    constraint user_identities_avatar_url_check check (char_length(avatar_url) <= 2048),
  company_name text
    constraint user_identities_company_name_check check (char_length(company_name) <= 200),
  last_issued_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint user_identities_pkey primary key (issuer, subject)
);
create index user_identities_user_id_idx on attune.user_identities (user_id);
comment on table attune.user_identities is
  E'@behavior -insert -update -delete\n'
  'The accounts at outside providers with which a user signs in. '
  'A user sees their own.';
comment on column attune.user_identities.issuer is 'The provider: the `iss` of its tokens.';
comment on column attune.user_identities.subject is
  'Who the user is there: the `sub` of its tokens, of whatever shape.';
comment on column attune.user_identities.user_id is 'Who the user is here.';
comment on column attune.user_identities.email is 'The e-mail address the provider last told.';
comment on column attune.user_identities.name is 'The name the provider last told.';
comment on column attune.user_identities.avatar_url is 'The picture the provider last told.';
comment on column attune.user_identities.company_name is 'The company the provider last told.';
comment on column attune.user_identities.last_issued_at is
  'When the provider issued the latest token that was shown here; null while none has said so.';
comment on column attune.user_identities.created_at is 'When the identity was linked.';
comment on column attune.user_identities.updated_at is 'When the provider last told something else.';

alter table attune.user_identities enable row level security;
create policy user_identities_select_self on attune.user_identities for select to authenticated
  using (user_id = (select attune.current_user_id()));
create policy user_identities_select_service_role on attune.user_identities for select to service_role using (true);

revoke all on attune.user_identities from public;
grant select on attune.user_identities to authenticated, service_role;

create trigger _060_check_version before update on attune.user_identities
  for each row when (new.updated_at is distinct from old.updated_at)
  execute function attune_private.tg__check_version();
create trigger _100_timestamps before update on attune.user_identities
  for each row execute function attune_private.tg__timestamps();

create table attune_private.ended_identities (
  identity_hash bytea
    constraint ended_identities_pkey primary key
    constraint ended_identities_identity_hash_check check (octet_length(identity_hash) = 32),
  last_issued_at numeric not null,
  ended_at timestamptz not null
);
create index ended_identities_ended_at_idx on attune_private.ended_identities (ended_at);
comment on table attune_private.ended_identities is
  'Identities that were unlinked, or whose account was deleted. '
  'A token that was issued before opens nothing and makes nobody. '
  'Kept for 400 days.';
comment on column attune_private.ended_identities.identity_hash is 'SHA-256 of issuer and subject.';
comment on column attune_private.ended_identities.last_issued_at is
  'Tokens with an `iat` up to this one are of before, in seconds since 1970.';
comment on column attune_private.ended_identities.ended_at is 'When it ended, the last time.';

alter table attune_private.ended_identities enable row level security;

--! Included users/private/identity_hash.sql
create or replace function attune_private.identity_hash(issuer text, subject text)
returns bytea
language sql immutable parallel safe security invoker
begin atomic
  -- No issuer and subject together are the text of two others.
  select sha256(convert_to(char_length(issuer) || ' ' || issuer || subject, 'UTF8'));
end;
comment on function attune_private.identity_hash(text, text) is
  'SHA-256 of an identity: what is kept of one that has ended.';
revoke all on function attune_private.identity_hash(text, text) from public;
--! EndIncluded users/private/identity_hash.sql
--! Included users/private/is_spent.sql
create or replace function attune_private.is_spent(issuer text, subject text, issued_at jsonb)
returns boolean
language sql stable parallel safe security invoker
begin atomic
  select exists (
    select from attune_private.ended_identities as e
    where e.identity_hash = attune_private.identity_hash(issuer, subject)
      and (case jsonb_typeof(issued_at) when 'number' then issued_at::numeric > e.last_issued_at end) is not true
  );
end;
comment on function attune_private.is_spent(text, text, jsonb) is
  'Whether the identity was unlinked, or its account deleted, after a token with this `iat` was issued. '
  'A token that does not say when it was issued was issued before.';
revoke all on function attune_private.is_spent(text, text, jsonb) from public;
--! EndIncluded users/private/is_spent.sql
--! Included users/private/token_issued_at.sql
create or replace function attune_private.token_issued_at(issuer text, subject text)
returns numeric
language sql stable parallel safe security invoker
begin atomic
  select case when jsonb_typeof(c.claims -> 'iat') = 'number' then (c.claims -> 'iat')::numeric end
  from (select auth.jwt() as claims) as c
  where c.claims ->> 'iss' = token_issued_at.issuer
    and c.claims ->> 'sub' = token_issued_at.subject;
end;
comment on function attune_private.token_issued_at(text, text) is
  'The `iat` of the request''s token, in seconds since 1970, when it is one of this identity; else NULL.';
revoke all on function attune_private.token_issued_at(text, text) from public;
--! EndIncluded users/private/token_issued_at.sql

-- Where a user is signed in

create type attune.revocation_reason as enum (
  'logout', 'logout_everywhere', 'revoked', 'password_changed', 'password_reset', 'refresh_token_reused',
  'identity_unlinked'
);
comment on type attune.revocation_reason is
  E'@value logout The user signed out of it.\n'
  '@value logout_everywhere The user signed out everywhere.\n'
  '@value revoked The user ended it from another session.\n'
  '@value password_changed The password was changed in another session.\n'
  '@value password_reset The password was set anew by a mailed link.\n'
  '@value refresh_token_reused A refresh token came twice, so it may be stolen.\n'
  '@value identity_unlinked The identity it signed in with was taken from the account.\n'
  'Why a session was ended.';

create table attune.sessions (
  user_id uuid not null
    constraint sessions_user_id_fkey references attune.users (id) on delete cascade,
  id uuid not null default gen_random_uuid(),
  user_agent text
    constraint sessions_user_agent_check check (char_length(user_agent) <= 500),
  address text
    constraint sessions_address_check check (char_length(address) <= 100),
  issuer text
    constraint sessions_issuer_check check (char_length(issuer) between 1 and 2048),
  subject text
    constraint sessions_subject_check check (char_length(subject) between 1 and 255),
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  idle_until timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_because attune.revocation_reason,
  constraint sessions_pkey primary key (user_id, id),
  constraint sessions_identity_check check ((issuer is null) = (subject is null)),
  constraint sessions_revoked_check check ((revoked_at is null) = (revoked_because is null))
);
comment on table attune.sessions is
  E'@behavior -insert -update -delete\n'
  'Where a user is signed in, and was. '
  'A user sees their own and may revoke each (`revoke_session`).';
comment on column attune.sessions.user_id is 'Who is signed in.';
comment on column attune.sessions.id is 'The `session_id` of the session''s tokens.';
comment on column attune.sessions.user_agent is 'The program that signed in, as it calls itself.';
comment on column attune.sessions.address is 'The network address it signed in from.';
comment on column attune.sessions.issuer is
  'The provider through which it signed in; null when it was not by one.';
comment on column attune.sessions.subject is 'Who the user is there; null when it was not by a provider.';
comment on column attune.sessions.created_at is 'When it signed in.';
comment on column attune.sessions.last_used_at is
  E'@behavior +attribute:filterBy +attribute:orderBy\n'
  'When its refresh token was last exchanged.';
comment on column attune.sessions.idle_until is 'When it ends unless its refresh token is exchanged before.';
comment on column attune.sessions.expires_at is 'When it ends in any case.';
comment on column attune.sessions.revoked_at is
  E'@behavior +attribute:filterBy\n'
  'When it was ended; null while it is not.';
comment on column attune.sessions.revoked_because is 'Why it was ended; null while it is not.';

alter table attune.sessions enable row level security;
create policy sessions_select_self on attune.sessions for select to authenticated
  using (user_id = (select attune.current_user_id()));
create policy sessions_select_service_role on attune.sessions for select to service_role using (true);

revoke all on attune.sessions from public;
grant select on attune.sessions to authenticated, service_role;

--! Included users/sessions_is_current.sql
create or replace function attune.sessions_is_current(session attune.sessions)
returns boolean
language sql stable parallel safe security invoker
begin atomic
  select coalesce(session.id::text = lower(auth.jwt() ->> 'session_id'), false);
end;
comment on function attune.sessions_is_current(attune.sessions) is
  E'@notNull\n'
  'Whether it is the session of this request''s token.';
revoke all on function attune.sessions_is_current(attune.sessions) from public;
grant execute on function attune.sessions_is_current(attune.sessions) to anon, authenticated, service_role;
--! EndIncluded users/sessions_is_current.sql

--! Included users/private/ensure_user.sql
create or replace function attune_private.ensure_user(email text, is_admin boolean default false)
returns uuid
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  address constant text := attune_private.email_key(ensure_user.email);
  found_id uuid;
begin
  if address is null then
    perform attune_private.refuse_email();
  end if;

  select e.user_id into found_id from attune.user_emails as e where e.email = address;

  if found_id is null then
    insert into attune.users (email, is_admin)
    values (address, ensure_user.is_admin)
    returning id into found_id;
  elsif ensure_user.is_admin then
    update attune.users as u set is_admin = true where u.id = found_id and not u.is_admin;
  end if;

  return found_id;
end;
$$;
comment on function attune_private.ensure_user(text, boolean) is
  'The id of the user with this e-mail, made when missing. '
  'For development tokens and tests: it raises rights when asked to and never lowers them. '
  'Refused: `invalid_email`.';
revoke all on function attune_private.ensure_user(text, boolean) from public;
--! EndIncluded users/private/ensure_user.sql
--! Included users/private/ensure_single_user.sql
create or replace function attune_private.ensure_single_user()
returns uuid
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  single_user uuid;
begin
  -- Found again by an identity that no token can claim: a token of our own issuer is looked up by UUID only.
  lock table attune.user_identities in share row exclusive mode;

  select i.user_id into single_user
  from attune.user_identities as i
  where i.issuer = attune_private.own_issuer()
    and i.subject = 'system';

  if single_user is null then
    insert into attune.users (name, is_admin)
    values ('system', true)
    returning id into single_user;

    insert into attune.user_identities (issuer, subject, user_id)
    values (attune_private.own_issuer(), 'system', single_user);
  end if;

  return single_user;
end;
$$;
comment on function attune_private.ensure_single_user() is
  'The id of the `system` user, an administrator, made when missing: whom every request is in single-user mode.';
revoke all on function attune_private.ensure_single_user() from public;
--! EndIncluded users/private/ensure_single_user.sql
--! Included users/viewer.sql
create or replace function attune.viewer()
returns attune.users
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
begin atomic
  -- Definer, so that a request without a user gets null and not a refusal.
  select u from attune.users as u where u.id = (select attune.current_user_id());
end;
comment on function attune.viewer() is 'The signed-in user; null when nobody is.';
revoke all on function attune.viewer() from public;
grant execute on function attune.viewer() to anon, authenticated, service_role;
--! EndIncluded users/viewer.sql
--! Included users/private/user_as_caller.sql
create or replace function attune_private.user_as_caller(user_id uuid)
returns attune_private.caller
language sql stable parallel safe security invoker
begin atomic
  select
    user_as_caller.user_id,
    exists (select from attune.users as u where u.id = user_as_caller.user_id and u.is_admin),
    false;
end;
comment on function attune_private.user_as_caller(uuid) is
  'Who a user would be if they asked themselves: so that what is answered about them is what they are answered.';
revoke all on function attune_private.user_as_caller(uuid) from public;
--! EndIncluded users/private/user_as_caller.sql
