-- Run once by the postgres image on an empty volume: the two roles of Daybook and its database.
-- daybook_owner owns the schema and migrates it; daybook_app runs Daybook and gets its rights from the migrations.

\getenv owner_password DAYBOOK_OWNER_PASSWORD
\getenv app_password DAYBOOK_APP_PASSWORD

CREATE ROLE daybook_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE daybook_app LOGIN PASSWORD :'app_password';
CREATE DATABASE daybook OWNER daybook_owner ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
