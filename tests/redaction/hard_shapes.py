"""The keys of secrets, and the text shapes in which logs hold a key and its value."""

from __future__ import annotations

KEYS = (
    *("password", "db_password", "newPassword", "DB-PASSWORD", "spring.datasource.password", "passwd", "user_pass"),
    *("pw", "psw", "userPw", "DB_PW", "creds", "aws_creds", "mfa_code", "two_factor_code", "twoFactorCode", "otp_code"),
    *("security_answer", "securityAnswer", "connect.sid", "access_token", "accessToken", "token_1", "password_"),
    *("password_plain", "passwordPlain", "api_key_v2", "password (raw)", "SecretString", "SECRET_KEY_BASE", "app_key"),
    *("APP_KEY", "license_key", "licenseKey", "private_key_pem", "code_verifier", "SAMLResponse", "x-api-key"),
    *("client-secret", "clientSecret", "CLIENT_SECRET_OLD", "signing_key", "encryptionKey", "x-amz-security-token"),
    *("subscription-key", "Ocp-Apim-Subscription-Key", "ssh_key", "hmac_key", "session_token", "remember_token"),
    *("auth_code", "recovery_code", "passphrase", "pass_phrase", "id_token_hint", "password2", "password1", "jwt"),
    *("token_old", "secret_b64", "PGPASSWORD", "MYSQL_PWD", "RABBITMQ_DEFAULT_PASS", "wsPassword", "refresh_token"),
    *("service_role_key", "deploy_key", "bot_token", "webhook_secret", "csrf_token", "XSRF-TOKEN", "master_key"),
    *("Passwort", "kennwort", "mot de passe", "mot_de_passe", "contraseña", "senha", "wachtwoord", "lösenord"),
    *("hasło", "пароль", "密码", "パスワード", "비밀번호", "şifre", "parola"),
    *("salasana", "adgangskode", "heslo", "jelszó"),
)  # fmt: skip

WEAK_KEYS = ("sid", "bearer", "refresh", "session", "io_sid")

QUOTED_SHAPES = {
    "JSON": '{{"user": "ann", "{key}": "{value}", "n": 1}}',
    "JSON in prose": 'body {{"user":"ann","{key}":"{value}"}} was refused',
    "escaped JSON": 'payload="{{\\"{key}\\": \\"{value}\\"}}" sent',
    "doubly escaped JSON": 'p="{{\\\\\\"{key}\\\\\\": \\\\\\"{value}\\\\\\"}}" sent',
    "repr": "parameters {{'user': 'ann', '{key}': '{value}'}}",
    "HTML-escaped": "payload {{&quot;{key}&quot;: &quot;{value}&quot;, &quot;n&quot;: 1}}",
    "numerically escaped": "payload {{&#34;{key}&#34;:&#34;{value}&#34;}}",
    "apostrophes escaped": "payload {{&#x27;{key}&#x27;: &#x27;{value}&#x27;}}",
    "name and value": '{{"name": "{key}", "value": "{value}"}}',
    "name and value in prose": 'env [{{"name":"{key}","value":"{value}"}},{{"name":"TZ","value":"UTC"}}] applied',
    "name and value of repr": "env {{'name': '{key}', 'value': '{value}'}} applied",
    "value and name": '{{"value": "{value}", "name": "{key}"}}',
    "Key and Value": '[{{"Key": "{key}", "Value": "{value}"}}]',
    "assignment": "{key} = '{value}'",
    "YAML": 'user: ann\n{key}: "{value}"\nport: 1',
    "shell": 'export {key}="{value}"',
    "QueryDict": "<QueryDict: {{'{key}': ['{value}'], 'user': ['ann']}}>",
}

PLAIN_SHAPES = {
    "equals": "login with {key}={value} failed",
    "colon": "connecting, {key}: {value}",
    "hash arrow": "options {key} => {value}",
    "arrow": "changed {key} -> {value}",
    "walrus": "{key} := {value}",
    "line": "user=ann\n{key}={value}\nhost=db",
    "escaped line": "user=ann\\n{key}={value}\\nhost=db",
    "tab": "{key}\t{value}",
    "pipe": "| {key} | {value} |",
    "break": "{key}:\n  {value}\nnext",
    "multipart": '--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n--b--',
    "escaped multipart": "b'--b\\r\\nContent-Disposition: form-data; name=\"{key}\"\\r\\n\\r\\n{value}\\r\\n--b--'",
    "Key detail": "DETAIL:  Key ({key})=({value}) already exists.",
}

XML_KEYS = ("password", "Password", "wsse:Password", "apiKey", "ns1:clientSecret", "access_token", "db-password")
XML_SHAPES = {
    "element": "<user>ann</user><{key}>{value}</{key}><n>1</n>",
    "element of a type": '<{key} Type="http://docs.example/wss#PasswordText">{value}</{key}>',
    "escaped element": "&lt;{key}&gt;{value}&lt;/{key}&gt;",
    "attribute": '<add key="{key}" value="{value}"/>',
    "property": '<property name="{key}" value="{value}"/>',
    "attribute of its name": '<db user="ann" {key}="{value}"/>',
}

URL_KEYS = ("token", "password", "api_key", "access_token", "client_secret", "refresh_token", "X-Amz-Signature", "sig")
URL_SHAPES = {
    "query": "GET /x?page=2&{key}={value}&next=/home 200",
    "encoded query": "GET /login?next=%2Fx%3Fpage%3D2%26{key}%3D{value}%26y%3D1 200",
    "form": "body: user=ann&{key}={value}&n=1",
}
