-- Who the following statements are. Everything is set locally, so it ends with the test's transaction.
create schema tests;
grant usage on schema tests to public;

create function tests.create_user(email text, is_admin boolean default false)
returns uuid
language sql volatile
set search_path = ''
as $$ select attune_private.ensure_user(create_user.email, create_user.is_admin) $$;
comment on function tests.create_user(text, boolean) is
  'Makes a user and returns the id. For the owner: call tests.reset_role() first.';

create function tests.user_id(email text)
returns uuid
language plpgsql stable security definer
set search_path = ''
as $$
declare
  id constant uuid := (select u.id from attune.users as u where u.email = user_id.email);
begin
  if id is null then
    raise exception 'tests.user_id: there is no user %', email;
  end if;
  return id;
end;
$$;
comment on function tests.user_id(text) is 'The id of a user, whoever asks.';

create function tests.set_request(role text, claims jsonb)
returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  perform pg_catalog.set_config('request.jwt.claims', coalesce(claims::text, ''), true);
  perform pg_catalog.set_config('role', set_request.role, true);
end;
$$;
comment on function tests.set_request(text, jsonb) is
  'What the server sets for a request: the role, and the claims of the token.';

create function tests.authenticate_as(user_id uuid)
returns void
language sql volatile
set search_path = ''
as $$
  select tests.set_request('authenticated', pg_catalog.jsonb_build_object(
    'sub', authenticate_as.user_id, 'role', 'authenticated', 'aud', 'authenticated', 'iss', 'attune'
  ));
$$;
comment on function tests.authenticate_as(uuid) is
  'From here on, statements run as this user does through the server; an id nobody has is a deleted user.';

create function tests.authenticate_as(email text)
returns void
language sql volatile
set search_path = ''
as $$ select tests.authenticate_as(tests.user_id(authenticate_as.email)) $$;
comment on function tests.authenticate_as(text) is 'The same, by e-mail.';

create function tests.authenticate_as_anon()
returns void
language sql volatile
set search_path = ''
as $$ select tests.set_request('anon', '{"role": "anon"}') $$;
comment on function tests.authenticate_as_anon() is 'From here on, statements run as a request without a token.';

create function tests.authenticate_as_service_role()
returns void
language sql volatile
set search_path = ''
as $$ select tests.set_request('service_role', '{"role": "service_role", "aud": "authenticated", "iss": "attune"}') $$;
comment on function tests.authenticate_as_service_role() is 'From here on, statements run as a trusted server.';

create function tests.reset_role()
returns void
language sql volatile
set search_path = ''
as $$ select tests.set_request('none', null) $$;
comment on function tests.reset_role() is 'Back to the owner.';

grant execute on all functions in schema tests to public;
