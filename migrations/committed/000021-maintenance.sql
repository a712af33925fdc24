--! Previous: sha1:84caee7db76343a0a46472eea1a7ac9dcbb7db87
--! Hash: sha1:12597144ab7b44b544e24c91d898e68898aaa5e3
--! Message: maintenance

-- What is done again and again, by hand or by a schedule, and the record of it.
