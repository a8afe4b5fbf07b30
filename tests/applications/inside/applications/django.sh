# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# Django's administration, embedded in the server by mod_wsgi, with a database of SQLite's.
MODULES=(wsgi)
HOLE=/leak

prepare() {
    local app=/srv/$1/app
    mkdir -p "$app/notes/migrations" "/srv/$1/data/files"
    cp holes/leak.py "$app/leak.py"
    touch "$app/notes/__init__.py" "$app/notes/migrations/__init__.py"
    cat >"$app/settings.py" <<END
SECRET_KEY = 'key of $1'
ALLOWED_HOSTS = ['$1.example.org']
ROOT_URLCONF = 'urls'
INSTALLED_APPS = ['django.contrib.' + name for name in ('admin', 'auth', 'contenttypes', 'sessions', 'messages', 'staticfiles')] + ['notes']
MIDDLEWARE = [
    'django.contrib.sessions.middleware.SessionMiddleware', 'django.middleware.common.CommonMiddleware',
    'django.middleware.csrf.CsrfViewMiddleware', 'django.contrib.auth.middleware.AuthenticationMiddleware',
    'django.contrib.messages.middleware.MessageMiddleware',
]
TEMPLATES = [{'BACKEND': 'django.template.backends.django.DjangoTemplates', 'APP_DIRS': True, 'OPTIONS': {'context_processors': [
    'django.template.context_processors.request', 'django.contrib.auth.context_processors.auth',
    'django.contrib.messages.context_processors.messages',
]}}]
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': '/srv/$1/data/notes.db'}}
DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'
MEDIA_ROOT = '/srv/$1/data/files'
MEDIA_URL = '/files/'
STATIC_URL = '/static/'
USE_TZ = True
TIME_ZONE = 'Europe/Berlin'
END
    cat >"$app/notes/models.py" <<'END'
from django.db import models


class Note(models.Model):
    title = models.CharField(max_length=80)
    file = models.FileField(blank=True, upload_to='%Y/%m')
    written = models.DateTimeField(auto_now=True)

    def __str__(self):
        return self.title
END
    cat >"$app/notes/admin.py" <<'END'
from django.contrib import admin
from .models import Note


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):
    list_display = ['title', 'file', 'written']
    search_fields = ['title']
END
    cat >"$app/urls.py" <<'END'
from django.conf import settings
from django.contrib import admin
from django.http import HttpResponse
from django.urls import path, re_path
from django.views.static import serve
from leak import leak

urlpatterns = [
    path('admin/', admin.site.urls),
    path('leak', lambda request: HttpResponse(leak(request.GET['do'], request.GET['what']))),
    re_path('^files/(?P<path>.*)$', serve, {'document_root': settings.MEDIA_ROOT}),
]
END
    cat >"$app/app.wsgi" <<END
import os, sys
sys.path.insert(0, '/srv/$1/app')
os.environ['DJANGO_SETTINGS_MODULE'] = 'settings'
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
END
    (
        cd "$app"
        export DJANGO_SETTINGS_MODULE=settings PYTHONDONTWRITEBYTECODE=1
        django-admin makemigrations --pythonpath . notes
        django-admin migrate --pythonpath .
        DJANGO_SUPERUSER_PASSWORD=admins-password django-admin createsuperuser --pythonpath . --noinput --username admin \
            --email admin@example.org
    )
    chown -R www-data: "/srv/$1/data"
}

server() { echo "ConfineTrustScripts mod_wsgi"; }

host() {
    cat <<END
    WSGIScriptAlias / "/srv/$1/app/app.wsgi"
    WSGIApplicationGroup $1
    Alias "/static/admin/" "/usr/lib/python3/dist-packages/django/contrib/admin/static/admin/"
    <Location "/static">
        Require all granted
    </Location>
    ConfineGate handler
    ConfineWorkers per-context
END
}

walk() {
    local admin=http://$1.example.org/admin/ note=${2}th
    : >"$JAR"
    fill() {
        local at=$1 form
        shift
        form=$(browse "$at" | field csrfmiddlewaretoken)
        browse --location --referer "$at" --form "csrfmiddlewaretoken=$form" "$@" "$at"
    }
    fill "${admin}login/?next=/admin/" --form username=admin --form password=admins-password | says 'Site administration'
    echo "a file of $1, $2" >"/tmp/file-$2.txt"
    fill "${admin}notes/note/add/" --form "title=The $note note of $1" --form "file=@/tmp/file-$2.txt" | says 'was added successfully'
    browse "${admin}notes/note/?q=$note" | says "The $note note of $1"
    browse "http://$1.example.org/files/$(date +%Y/%m)/file-$2.txt" | says "a file of $1, $2"
    fill "${admin}auth/user/add/" --form "username=robin$2" --form password1=long-password-1 --form password2=long-password-1 |
        says 'was added successfully'
    browse "${admin}auth/user/?q=robin$2" | says "robin$2"
    browse "http://$1.example.org/static/admin/css/base.css" | says 'DJANGO'
}
