/*! With Preact 10.29.8 (MIT), htm 3.1.1 (Apache-2.0), both by Jason Miller, and uPlot 1.6.32 (MIT) by Leon Sorokin; licences: functions/dashboard/web/vendor/LICENSES.md */
const $vendor_preact = (() => {
var n,l,u,t,i,r,o,e,f,c,a,s,h,p,v,y,d={},w=[],_=/acit|ex(?:s|g|n|p|$)|rph|grid|ows|mnc|ntw|ine[ch]|zoo|^ord|itera/i,g=Array.isArray;function m(n,l){for(var u in l)n[u]=l[u];return n}function b(n){n&&n.parentNode&&n.parentNode.removeChild(n)}function k(l,u,t){var i,r,o,e={};for(o in u)"key"==o?i=u[o]:"ref"==o?r=u[o]:e[o]=u[o];if(arguments.length>2&&(e.children=arguments.length>3?n.call(arguments,2):t),"function"==typeof l&&null!=l.defaultProps)for(o in l.defaultProps)void 0===e[o]&&(e[o]=l.defaultProps[o]);return x(l,e,i,r,null)}function x(n,t,i,r,o){var e={type:n,props:t,key:i,ref:r,__k:null,__:null,__b:0,__e:null,__c:null,constructor:void 0,__v:null==o?++u:o,__i:-1,__u:0};return null==o&&null!=l.vnode&&l.vnode(e),e}function M(){return{current:null}}function S(n){return n.children}function C(n,l){this.props=n,this.context=l}function $(n,l){if(null==l)return n.__?$(n.__,n.__i+1):null;for(var u;l<n.__k.length;l++)if(null!=(u=n.__k[l])&&null!=u.__e)return u.__e;return"function"==typeof n.type?$(n):null}function I(n){if(n.__P&&n.__d){var u=n.__v,t=u.__e,i=[],r=[],o=m({},u);o.__v=u.__v+1,l.vnode&&l.vnode(o),q(n.__P,o,u,n.__n,n.__P.namespaceURI,32&u.__u?[t]:null,i,null==t?$(u):t,!!(32&u.__u),r),o.__v=u.__v,o.__.__k[o.__i]=o,D(i,o,r),u.__e=u.__=null,o.__e!=t&&P(o)}}function P(n){if(null!=(n=n.__)&&null!=n.__c)return n.__e=n.__c.base=null,n.__k.some(function(l){if(null!=l&&null!=l.__e)return n.__e=n.__c.base=l.__e}),P(n)}function A(n){(!n.__d&&(n.__d=!0)&&i.push(n)&&!H.__r++||r!=l.debounceRendering)&&((r=l.debounceRendering)||o)(H)}function H(){try{for(var n,l=1;i.length;)i.length>l&&i.sort(e),n=i.shift(),l=i.length,I(n)}finally{i.length=H.__r=0}}function L(n,l,u,t,i,r,o,e,f,c,a){var s,h,p,v,y,_,g=t&&t.__k||w,m=l.length;for(f=T(u,l,g,f,m),s=0;s<m;s++)null!=(p=u.__k[s])&&(h=-1!=p.__i&&g[p.__i]||d,p.__i=s,_=q(n,p,h,i,r,o,e,f,c,a),v=p.__e,p.ref&&h.ref!=p.ref&&(h.ref&&J(h.ref,null,p),a.push(p.ref,p.__c||v,p)),null==y&&null!=v&&(y=v),4&p.__u?(f=j(p,f,n),h.__e&&(h.__e=null)):"function"==typeof p.type&&void 0!==_?f=_:v&&(f=v.nextSibling),p.__u&=-7);return u.__e=y,f}function T(n,l,u,t,i){var r,o,e,f,c,a=u.length,s=a,h=0;for(n.__k=new Array(i),r=0;r<i;r++)null!=(o=l[r])&&"boolean"!=typeof o&&"function"!=typeof o?("string"==typeof o||"number"==typeof o||"bigint"==typeof o||o.constructor==String?o=n.__k[r]=x(null,o,null,null,null):g(o)?o=n.__k[r]=x(S,{children:o},null,null,null):void 0===o.constructor&&o.__b>0?o=n.__k[r]=x(o.type,o.props,o.key,o.ref?o.ref:null,o.__v):n.__k[r]=o,f=r+h,o.__=n,o.__b=n.__b+1,e=null,-1!=(c=o.__i=O(o,u,f,s))&&(s--,(e=u[c])&&(e.__u|=2)),null==e||null==e.__v?(-1==c&&(i>a?h--:i<a&&h++),"function"!=typeof o.type&&(o.__u|=4)):c!=f&&(c==f-1?h--:c==f+1?h++:(c>f?h--:h++,o.__u|=4))):n.__k[r]=null;if(s)for(r=0;r<a;r++)null!=(e=u[r])&&0==(2&e.__u)&&(e.__e==t&&(t=$(e)),K(e,e));return t}function j(n,l,u){var t,i;if("function"==typeof n.type){for(t=n.__k,i=0;t&&i<t.length;i++)t[i]&&(t[i].__=n,l=j(t[i],l,u));return l}n.__e!=l&&(l&&n.type&&!l.parentNode&&(l=$(n)),l=u.insertBefore(n.__e,l||null));do{l=l&&l.nextSibling}while(null!=l&&8==l.nodeType);return l}function F(n,l){return l=l||[],null==n||"boolean"==typeof n||(g(n)?n.some(function(n){F(n,l)}):l.push(n)),l}function O(n,l,u,t){var i,r,o,e=n.key,f=n.type,c=l[u],a=null!=c&&0==(2&c.__u);if(null===c&&null==e||a&&e==c.key&&f==c.type)return u;if(t>(a?1:0))for(i=u-1,r=u+1;i>=0||r<l.length;)if(null!=(c=l[o=i>=0?i--:r++])&&0==(2&c.__u)&&e==c.key&&f==c.type)return o;return-1}function z(n,l,u){"-"==l[0]?n.setProperty(l,null==u?"":u):n[l]=null==u?"":"number"!=typeof u||_.test(l)?u:u+"px"}function N(n,l,u,t,i){var r,o;n:if("style"==l)if("string"==typeof u)n.style.cssText=u;else{if("string"==typeof t&&(n.style.cssText=t=""),t)for(l in t)u&&l in u||z(n.style,l,"");if(u)for(l in u)t&&u[l]==t[l]||z(n.style,l,u[l])}else if("o"==l[0]&&"n"==l[1])r=l!=(l=l.replace(s,"$1")),o=l.toLowerCase(),l=o in n||"onFocusOut"==l||"onFocusIn"==l?o.slice(2):l.slice(2),n.l||(n.l={}),n.l[l+r]=u,u?t?u[a]=t[a]:(u[a]=h,n.addEventListener(l,r?v:p,r)):n.removeEventListener(l,r?v:p,r);else{if("http://www.w3.org/2000/svg"==i)l=l.replace(/xlink(H|:h)/,"h").replace(/sName$/,"s");else if("width"!=l&&"height"!=l&&"href"!=l&&"list"!=l&&"form"!=l&&"tabIndex"!=l&&"download"!=l&&"rowSpan"!=l&&"colSpan"!=l&&"role"!=l&&"popover"!=l&&l in n)try{n[l]=null==u?"":u;break n}catch(n){}"function"==typeof u||(null==u||!1===u&&"-"!=l[4]?n.removeAttribute(l):n.setAttribute(l,"popover"==l&&1==u?"":u))}}function V(n){return function(u){if(this.l){var t=this.l[u.type+n];if(null==u[c])u[c]=h++;else if(u[c]<t[a])return;return t(l.event?l.event(u):u)}}}function q(n,u,t,i,r,o,e,f,c,a){var s,h,p,v,y,d,_,k,x,M,I,P,A,H,T,j,F=u.type;if(void 0!==u.constructor)return null;128&t.__u&&(c=!!(32&t.__u),o=[f=u.__e=t.__e]),(s=l.__b)&&s(u);n:if("function"==typeof F){h=e.length;try{if(x=u.props,M=F.prototype&&F.prototype.render,I=(s=F.contextType)&&i[s.__c],P=s?I?I.props.value:s.__:i,t.__c?k=(p=u.__c=t.__c).__=p.__E:(M?u.__c=p=new F(x,P):(u.__c=p=new C(x,P),p.constructor=F,p.render=Q),I&&I.sub(p),p.state||(p.state={}),p.__n=i,v=p.__d=!0,p.__h=[],p._sb=[]),M&&null==p.__s&&(p.__s=p.state),M&&null!=F.getDerivedStateFromProps&&(p.__s==p.state&&(p.__s=m({},p.__s)),m(p.__s,F.getDerivedStateFromProps(x,p.__s))),y=p.props,d=p.state,p.__v=u,v)M&&null==F.getDerivedStateFromProps&&null!=p.componentWillMount&&p.componentWillMount(),M&&null!=p.componentDidMount&&p.__h.push(p.componentDidMount);else{if(M&&null==F.getDerivedStateFromProps&&x!==y&&null!=p.componentWillReceiveProps&&p.componentWillReceiveProps(x,P),u.__v==t.__v||!p.__e&&null!=p.shouldComponentUpdate&&!1===p.shouldComponentUpdate(x,p.__s,P)){u.__v!=t.__v&&(p.props=x,p.state=p.__s,p.__d=!1),u.__e=t.__e,u.__k=t.__k,u.__k.some(function(n){n&&(n.__=u)}),w.push.apply(p.__h,p._sb),p._sb=[],p.__h.length&&e.push(p),f=$(t);break n}null!=p.componentWillUpdate&&p.componentWillUpdate(x,p.__s,P),M&&null!=p.componentDidUpdate&&p.__h.push(function(){p.componentDidUpdate(y,d,_)})}if(p.context=P,p.props=x,p.__P=n,p.__e=!1,A=l.__r,H=0,M)p.state=p.__s,p.__d=!1,A&&A(u),s=p.render(p.props,p.state,p.context),w.push.apply(p.__h,p._sb),p._sb=[];else do{p.__d=!1,A&&A(u),s=p.render(p.props,p.state,p.context),p.state=p.__s}while(p.__d&&++H<25);p.state=p.__s,null!=p.getChildContext&&(i=m(m({},i),p.getChildContext())),M&&!v&&null!=p.getSnapshotBeforeUpdate&&(_=p.getSnapshotBeforeUpdate(y,d)),T=null!=s&&s.type===S&&null==s.key?E(s.props.children):s,f=L(n,g(T)?T:[T],u,t,i,r,o,e,f,c,a),p.base=u.__e,u.__u&=-161,p.__h.length&&e.push(p),k&&(p.__E=p.__=null)}catch(n){if(e.length=h,u.__v=null,c||null!=o){if(n.then){for(u.__u|=c?160:128;f&&8==f.nodeType&&f.nextSibling;)f=f.nextSibling;null!=o&&(o[o.indexOf(f)]=null),u.__e=f}else if(null!=o)for(j=o.length;j--;)b(o[j])}else u.__e=t.__e;null==u.__k&&(u.__k=t.__k||[]),n.then||B(u),l.__e(n,u,t)}}else null==o&&u.__v==t.__v?(u.__k=t.__k,u.__e=t.__e):f=u.__e=G(t.__e,u,t,i,r,o,e,c,a);return(s=l.diffed)&&s(u),128&u.__u?void 0:f}function B(n){n&&(n.__c&&(n.__c.__e=!0),n.__k&&n.__k.some(B))}function D(n,u,t){for(var i=0;i<t.length;i++)J(t[i],t[++i],t[++i]);l.__c&&l.__c(u,n),n.some(function(u){try{n=u.__h,u.__h=[],n.some(function(n){n.call(u)})}catch(n){l.__e(n,u.__v)}})}function E(n){return"object"!=typeof n||null==n||n.__b>0?n:g(n)?n.map(E):void 0!==n.constructor?null:m({},n)}function G(u,t,i,r,o,e,f,c,a){var s,h,p,v,y,w,_,m=i.props||d,k=t.props,x=t.type;if("svg"==x?o="http://www.w3.org/2000/svg":"math"==x?o="http://www.w3.org/1998/Math/MathML":o||(o="http://www.w3.org/1999/xhtml"),null!=e)for(s=0;s<e.length;s++)if((y=e[s])&&"setAttribute"in y==!!x&&(x?y.localName==x:3==y.nodeType)){u=y,e[s]=null;break}if(null==u){if(null==x)return document.createTextNode(k);u=document.createElementNS(o,x,k.is&&k),c&&(l.__m&&l.__m(t,e),c=!1),e=null}if(null==x)m===k||c&&u.data==k||(u.data=k);else{if(e="textarea"==x&&null!=k.defaultValue?null:e&&n.call(u.childNodes),!c&&null!=e)for(m={},s=0;s<u.attributes.length;s++)m[(y=u.attributes[s]).name]=y.value;for(s in m)y=m[s],"dangerouslySetInnerHTML"==s?p=y:"children"==s||s in k||"value"==s&&"defaultValue"in k||"checked"==s&&"defaultChecked"in k||N(u,s,null,y,o);for(s in k)y=k[s],"children"==s?v=y:"dangerouslySetInnerHTML"==s?h=y:"value"==s?w=y:"checked"==s?_=y:c&&"function"!=typeof y||m[s]===y||N(u,s,y,m[s],o);if(h)c||p&&(h.__html==p.__html||h.__html==u.innerHTML)||(u.innerHTML=h.__html),t.__k=[];else if(p&&(u.innerHTML=""),L("template"==t.type?u.content:u,g(v)?v:[v],t,i,r,"foreignObject"==x?"http://www.w3.org/1999/xhtml":o,e,f,e?e[0]:i.__k&&$(i,0),c,a),null!=e)for(s=e.length;s--;)b(e[s]);c&&"textarea"!=x||(s="value","progress"==x&&null==w?u.removeAttribute("value"):null!=w&&(w!==u[s]||"progress"==x&&!w||"option"==x&&w!=m[s])&&N(u,s,w,m[s],o),s="checked",null!=_&&_!=u[s]&&N(u,s,_,m[s],o))}return u}function J(n,u,t){try{if("function"==typeof n){var i="function"==typeof n.__u;i&&n.__u(),i&&null==u||(n.__u=n(u))}else n.current=u}catch(n){l.__e(n,t)}}function K(n,u,t){var i,r;if(l.unmount&&l.unmount(n),(i=n.ref)&&(i.current&&i.current!=n.__e||J(i,null,u)),null!=(i=n.__c)){if(i.componentWillUnmount)try{i.componentWillUnmount()}catch(n){l.__e(n,u)}i.base=i.__P=i.__n=null}if(i=n.__k)for(r=0;r<i.length;r++)i[r]&&K(i[r],u,t||"function"!=typeof n.type);t||b(n.__e),n.__c=n.__=n.__e=void 0}function Q(n,l,u){return this.constructor(n,u)}function R(u,t,i){var r,o,e,f;t==document&&(t=document.documentElement),l.__&&l.__(u,t),o=(r="function"==typeof i)?null:i&&i.__k||t.__k,e=[],f=[],q(t,u=(!r&&i||t).__k=k(S,null,[u]),o||d,d,t.namespaceURI,!r&&i?[i]:o?null:t.firstChild?n.call(t.childNodes):null,e,!r&&i?i:o?o.__e:t.firstChild,r,f),D(e,u,f),u.props.children=null}function U(n,l){R(n,l,U)}function W(l,u,t){var i,r,o,e,f=m({},l.props);for(o in l.type&&l.type.defaultProps&&(e=l.type.defaultProps),u)"key"==o?i=u[o]:"ref"==o?r=u[o]:f[o]=void 0===u[o]&&null!=e?e[o]:u[o];return arguments.length>2&&(f.children=arguments.length>3?n.call(arguments,2):t),x(l.type,f,i||l.key,r||l.ref,null)}function X(n){function l(n){var u,t;return this.getChildContext||(u=new Set,(t={})[l.__c]=this,this.getChildContext=function(){return t},this.componentWillUnmount=function(){u=null},this.shouldComponentUpdate=function(n){this.props.value!=n.value&&u.forEach(function(n){n.__e=!0,A(n)})},this.sub=function(n){u.add(n);var l=n.componentWillUnmount;n.componentWillUnmount=function(){u&&u.delete(n),l&&l.call(n)}}),n.children}return l.__c="__cC"+y++,l.__=n,l.Provider=l.__l=(l.Consumer=function(n,l){return n.children(l)}).contextType=l,l}n=w.slice,l={__e:function(n,l,u,t){for(var i,r,o;l=l.__;)if((i=l.__c)&&!i.__)try{if((r=i.constructor)&&null!=r.getDerivedStateFromError&&(i.setState(r.getDerivedStateFromError(n)),o=i.__d),null!=i.componentDidCatch&&(i.componentDidCatch(n,t||{}),o=i.__d),o)return i.__E=i}catch(l){n=l}throw n}},u=0,t=function(n){return null!=n&&void 0===n.constructor},C.prototype.setState=function(n,l){var u;u=null!=this.__s&&this.__s!=this.state?this.__s:this.__s=m({},this.state),"function"==typeof n&&(n=n(m({},u),this.props)),n&&m(u,n),null!=n&&this.__v&&(l&&this._sb.push(l),A(this))},C.prototype.forceUpdate=function(n){this.__v&&(this.__e=!0,n&&this.__h.push(n),A(this))},C.prototype.render=S,i=[],o="function"==typeof Promise?Promise.prototype.then.bind(Promise.resolve()):setTimeout,e=function(n,l){return n.__v.__b-l.__v.__b},H.__r=0,f=Math.random().toString(8),c="__d"+f,a="__a"+f,s=/(PointerCapture)$|Capture$/i,h=0,p=V(!1),v=V(!0),y=0;
return { Component: C, Fragment: S, cloneElement: W, createContext: X, createElement: k, createRef: M, h: k, hydrate: U, isValidElement: t, options: l, render: R, toChildArray: F };
})();
const $vendor_hooks = (() => {
const { options: n } = $vendor_preact;var t,r,u,i,o=0,f=[],c=n,e=c.__b,a=c.__r,v=c.diffed,l=c.__c,m=c.unmount,p=c.__;function s(n,t){c.__h&&c.__h(r,n,o||t),o=0;var u=r.__H||(r.__H={__:[],__h:[]});return n>=u.__.length&&u.__.push({}),u.__[n]}function d(n){return o=1,y(D,n)}function y(n,u,i){var o=s(t++,2);if(o.t=n,!o.__c&&(o.__=[i?i(u):D(void 0,u),function(n){var t=o.__N?o.__N[0]:o.__[0],r=o.t(t,n);t!==r&&(o.__N=[r,o.__[1]],o.__c.setState({}))}],o.__c=r,!r.__f)){var f=function(n,t,r){if(!o.__c.__H)return!0;var u=!1,i=o.__c.props!==n;if(o.__c.__H.__.some(function(n){if(n.__N){u=!0;var t=n.__[0];n.__=n.__N,n.__N=void 0,t!==n.__[0]&&(i=!0)}}),c){var f=c.call(this,n,t,r);return u?f||i:f}return!u||i};r.__f=!0;var c=r.shouldComponentUpdate,e=r.componentWillUpdate;r.componentWillUpdate=function(n,t,r){if(this.__e){var u=c;c=void 0,f(n,t,r),c=u}e&&e.call(this,n,t,r)},r.shouldComponentUpdate=f}return o.__N||o.__}function h(n,u){var i=s(t++,3);!c.__s&&C(i.__H,u)&&(i.__=n,i.u=u,r.__H.__h.push(i))}function _(n,u){var i=s(t++,4);!c.__s&&C(i.__H,u)&&(i.__=n,i.u=u,r.__h.push(i))}function A(n){return o=5,T(function(){return{current:n}},[])}function F(n,t,r){o=6,_(function(){if("function"==typeof n){var r=n(t());return function(){n(null),r&&"function"==typeof r&&r()}}if(n)return n.current=t(),function(){return n.current=null}},null==r?r:r.concat(n))}function T(n,r){var u=s(t++,7);return C(u.__H,r)&&(u.__=n(),u.__H=r,u.__h=n),u.__}function q(n,t){return o=8,T(function(){return n},t)}function x(n){var u=r.context[n.__c],i=s(t++,9);return i.c=n,u?(null==i.__&&(i.__=!0,u.sub(r)),u.props.value):n.__}function P(n,t){c.useDebugValue&&c.useDebugValue(t?t(n):n)}function b(n){var u=s(t++,10),i=d();return u.__=n,r.componentDidCatch||(r.componentDidCatch=function(n,t){u.__&&u.__(n,t),i[1](n)}),[i[0],function(){i[1](void 0)}]}function g(){var n=s(t++,11);if(!n.__){for(var u=r.__v;null!==u&&!u.__m&&null!==u.__;)u=u.__;var i=u.__m||(u.__m=[0,0]);n.__="P"+i[0]+"-"+i[1]++}return n.__}function j(){for(var n;n=f.shift();){var t=n.__H;if(n.__P&&t)try{t.__h.some(z),t.__h.some(B),t.__h=[]}catch(r){t.__h=[],c.__e(r,n.__v)}}}c.__b=function(n){r=null,e&&e(n)},c.__=function(n,t){n&&t.__k&&t.__k.__m&&(n.__m=t.__k.__m),p&&p(n,t)},c.__r=function(n){a&&a(n),t=0;var i=(r=n.__c).__H;i&&(u===r?(i.__h=[],r.__h=[],i.__.some(function(n){n.__N&&(n.__=n.__N),n.u=n.__N=void 0})):(i.__h.some(z),i.__h.some(B),i.__h=[],t=0)),u=r},c.diffed=function(n){v&&v(n);var t=n.__c;t&&t.__H&&(t.__H.__h.length&&(1!==f.push(t)&&i===c.requestAnimationFrame||((i=c.requestAnimationFrame)||w)(j)),t.__H.__.some(function(n){n.u&&(n.__H=n.u,n.u=void 0)})),u=r=null},c.__c=function(n,t){t.some(function(n){try{n.__h.some(z),n.__h=n.__h.filter(function(n){return!n.__||B(n)})}catch(r){t.some(function(n){n.__h&&(n.__h=[])}),t=[],c.__e(r,n.__v)}}),l&&l(n,t)},c.unmount=function(n){m&&m(n);var t,r=n.__c;r&&r.__H&&(r.__H.__.some(function(n){try{z(n)}catch(n){t=n}}),r.__H=void 0,t&&c.__e(t,r.__v))};var k="function"==typeof requestAnimationFrame;function w(n){var t,r=function(){clearTimeout(u),k&&cancelAnimationFrame(t),setTimeout(n)},u=setTimeout(r,35);k&&(t=requestAnimationFrame(r))}function z(n){var t=r,u=n.__c;"function"==typeof u&&(n.__c=void 0,u()),r=t}function B(n){var t=r;n.__c=n.__(),r=t}function C(n,t){return!n||n.length!==t.length||t.some(function(t,r){return t!==n[r]})}function D(n,t){return"function"==typeof t?t(n):t}
return { useCallback: q, useContext: x, useDebugValue: P, useEffect: h, useErrorBoundary: b, useId: g, useImperativeHandle: F, useLayoutEffect: _, useMemo: T, useReducer: y, useRef: A, useState: d };
})();
const $vendor_htm = (() => {
var n=function(t,s,r,e){var u;s[0]=0;for(var h=1;h<s.length;h++){var p=s[h++],a=s[h]?(s[0]|=p?1:2,r[s[h++]]):s[++h];3===p?e[0]=a:4===p?e[1]=Object.assign(e[1]||{},a):5===p?(e[1]=e[1]||{})[s[++h]]=a:6===p?e[1][s[++h]]+=a+"":p?(u=t.apply(a,n(t,a,r,["",null])),e.push(u),a[0]?s[0]|=2:(s[h-2]=0,s[h]=u)):e.push(a)}return e},t=new Map;const __default = function(s){var r=t.get(this);return r||(r=new Map,t.set(this,r)),(r=n(this,r.get(s)||(r.set(s,r=function(n){for(var t,s,r=1,e="",u="",h=[0],p=function(n){1===r&&(n||(e=e.replace(/^\s*\n\s*|\s*\n\s*$/g,"")))?h.push(0,n,e):3===r&&(n||e)?(h.push(3,n,e),r=2):2===r&&"..."===e&&n?h.push(4,n,0):2===r&&e&&!n?h.push(5,0,!0,e):r>=5&&((e||!n&&5===r)&&(h.push(r,0,e,s),r=6),n&&(h.push(r,n,0,s),r=6)),e=""},a=0;a<n.length;a++){a&&(1===r&&p(),p(a));for(var l=0;l<n[a].length;l++)t=n[a][l],1===r?"<"===t?(p(),h=[h],r=3):e+=t:4===r?"--"===e&&">"===t?(r=1,e=""):e=t+e[0]:u?t===u?u="":e+=t:'"'===t||"'"===t?u=t:">"===t?(p(),r=1):r&&("="===t?(r=5,s=e,e=""):"/"===t&&(r<5||">"===n[a][l+1])?(p(),3===r&&(h=h[0]),r=h,(h=h[0]).push(2,0,r),r=0):" "===t||"\t"===t||"\n"===t||"\r"===t?(p(),r=2):e+=t),3===r&&"!--"===e&&(r=4,h=h[0])}return p(),h}(s)),r),arguments,[])).length>1?r:r[0]}
return { default: __default };
})();
const $html = (() => {
const { h, render, Fragment } = $vendor_preact;
const { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useId } = $vendor_hooks;
const { default: htm } = $vendor_htm;

const html = htm.bind(h);
return { html: html, render: render, Fragment: Fragment, useState: useState, useEffect: useEffect, useLayoutEffect: useLayoutEffect, useMemo: useMemo, useRef: useRef, useCallback: useCallback, useId: useId };
})();
const $root = (() => {
const ROOT = document.documentElement.dataset.root;
return { ROOT: ROOT };
})();
const $api = (() => {
const { ROOT } = $root;

const TIMEOUT_MS = 25000;
const UNKNOWN_OUTCOME = new Set(["outcome_unknown", "internal_error"]);
const SESSION = "/dashboard/session";

let csrf = "";
let operator = "";
let sessionLost = () => {};
let operatorChanged = () => {};
let running = 0;

function onSession({ lost, changed }) {
  sessionLost = lost;
  operatorChanged = changed;
}

function keepSession(session) {
  csrf = session.csrfToken;
  operator = session.name;
  return session;
}

class Failure extends Error {
  constructor(status, body, unchanged) {
    super(body.message || "The gateway did not answer.");
    this.status = status;
    this.code = body.code || "no_answer";
    this.details = body.details || {};
    this.guidance = body.guidance || "";
    this.requestId = body.requestId || "";
    this.retryAfter = body.retryAfterSeconds || 0;
    this.unchanged = unchanged;
    this.loggedOut = false;
    this.definite = unchanged && status >= 400 && status < 500 && ![401, 408, 429].includes(status);
  }
}

async function call(method, path, options = {}) {
  announce(1);
  try {
    return await sent(method, path, options);
  } catch (failure) {
    if (failure.code !== "csrf_refused" || !(await renewed())) throw failure;
    return await sent(method, path, options);
  } finally {
    announce(-1);
  }
}

const get = (path, query = {}, options) => call("GET", withQuery(path, query), options);

function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

const newKey = () => `dash-${crypto.randomUUID()}`;

async function sent(method, path, { body, key, text, signal }) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  if (key) headers["idempotency-key"] = `"${key}"`;
  if (method !== "GET" && navigator.onLine === false) {
    throw new Failure(0, { message: "This device is offline. Nothing was sent." }, true);
  }
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let answer;
  let found;
  try {
    answer = await fetch(ROOT + path, {
      method, headers, credentials: "same-origin", redirect: "error", cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    if (answer.ok && text) return { headers: answer.headers, text: await answer.text() };
    found = await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (!answer || answer.ok) throw lost(method, answer);
    found = {};
  }
  if (answer.ok) return { ...found, replayed: answer.headers.get("idempotency-replayed") === "true" };
  const failure = new Failure(answer.status, found, isUnchanged(method, answer.status, found.code));
  if (answer.status === 401 && path !== SESSION) {
    failure.loggedOut = true;
    sessionLost();
  }
  throw failure;
}

function lost(method, answer) {
  const message = navigator.onLine === false ? "This device is offline."
    : answer ? "The gateway's answer broke off." : "The gateway did not answer.";
  return new Failure(0, { message }, method === "GET");
}

function isUnchanged(method, status, code) {
  if (method === "GET") return true;
  if (status < 500) return status !== 408;
  return code !== undefined && !UNKNOWN_OUTCOME.has(code) && status === 503;
}

async function renewed() {
  const found = await sent("GET", SESSION, {}).catch(() => null);
  if (found === null) return false;
  if (found.name === operator) return Boolean(keepSession(found));
  operatorChanged(found);
  return false;
}

function announce(change) {
  running += change;
  dispatchEvent(new CustomEvent("calls", { detail: running }));
}
return { onSession: onSession, keepSession: keepSession, Failure: Failure, call: call, get: get, withQuery: withQuery, newKey: newKey };
})();
const $format = (() => {
const { html, useEffect, useState } = $html;

const whole = new Intl.NumberFormat();
const signed = new Intl.NumberFormat(undefined, { signDisplay: "exceptZero" });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const STYLES = {
  full: { dateStyle: "medium", timeStyle: "long" },
  table: { day: "numeric", month: "short", ...TIME },
  tableWithYear: { day: "numeric", month: "short", year: "numeric", ...TIME },
  day: { day: "numeric", month: "short", year: "numeric" },
  clock: { ...TIME, timeZoneName: "short" },
};
const formats = Object.fromEntries(Object.entries(STYLES).map(([name, style]) => [name, new Intl.DateTimeFormat(undefined, style)]));
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const DOLLAR = { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 6 };
const dollar = new Intl.NumberFormat(undefined, DOLLAR);
const signedDollar = new Intl.NumberFormat(undefined, { ...DOLLAR, signDisplay: "exceptZero" });
const withMinus = (text) => text.replace("-", "−");
const none = (value) => value === null || value === undefined;

const number = (value) => (none(value) ? "–" : whole.format(value));
const compact = (value) => short.format(value);
const change = (value) => (value ? withMinus(signed.format(value)) : "±0");
const credits = (value) => `${number(value)} ${Math.abs(value) === 1 ? "credit" : "credits"}`;
const dollars = (value) => (none(value) ? "–" : withMinus(dollar.format(value)));
const dollarChange = (micros) => (micros ? withMinus(signedDollar.format(micros / 1e6)) : "±$0.00");
const utc = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
const today = (daysBack = 0) => new Date(Date.now() - daysBack * 864e5).toISOString().slice(0, 10);
const clock = (moment) => formats.clock.format(new Date(moment));
const zone = () => formats.clock.formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;
const isolated = (text) => `\u2068${text}\u2069`;

const STEPS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];

function ago(iso, now = Date.now()) {
  let value = (Date.parse(iso) - now) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(value) < size) return relative.format(Math.round(value), unit);
    value /= size;
  }
  return "";
}

function Time({ at, style }) {
  if (!at) return html`<span class="quiet">never</span>`;
  const moment = new Date(at);
  const isThisYear = moment.getFullYear() === new Date().getFullYear();
  const shown = formats[style || (isThisYear ? "table" : "tableWithYear")].format(moment);
  return html`<time datetime=${at} title=${utc(at)}>${shown}</time>`;
}

function Ago({ at }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 10000);
    return () => clearInterval(timer);
  }, []);
  if (!at) return html`<span class="quiet">never</span>`;
  return html`<time datetime=${at} title=${utc(at)}>${ago(at)}</time>`;
}
return { number: number, compact: compact, change: change, credits: credits, dollars: dollars, dollarChange: dollarChange, utc: utc, today: today, clock: clock, zone: zone, isolated: isolated, ago: ago, Time: Time, Ago: Ago };
})();
const $router = (() => {
const { useEffect, useState } = $html;
const { ROOT } = $root;

const BASE = `${ROOT}/dashboard`;

let listeners = [];
const changed = () => listeners.forEach((listener) => listener());
addEventListener("popstate", changed);

function place() {
  const [, , page = "", id = ""] = location.pathname.slice(ROOT.length).split("/");
  return { page, id: safeDecode(id), query: Object.fromEntries(new URLSearchParams(location.search)) };
}

function usePlace() {
  const [found, set] = useState(place);
  useEffect(() => {
    const listener = () => set(place());
    listeners.push(listener);
    return () => { listeners = listeners.filter((other) => other !== listener); };
  }, []);
  return found;
}

function href(page = "", id = "", query = {}) {
  const path = [BASE, page, id && encodeURIComponent(id)].filter(Boolean).join("/");
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "" && value !== null);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

function go(address, { replace = false } = {}) {
  if (replace) history.replaceState(history.state, "", address);
  else history.pushState({ inside: true }, "", address);
  if (!replace && !place().query.entry) scrollTo(0, 0); // The story scrolls to its entry itself.
  changed();
}

function setQuery(members, options) {
  const { page, id, query } = place();
  go(href(page, id, { ...query, cursor: "", ...members }), options);
}

function takeClicks() {
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const inside = link.origin === location.origin && (link.pathname === BASE || link.pathname.startsWith(`${BASE}/`));
    if (!inside || link.target || link.hasAttribute("download") || link.hash) return;
    event.preventDefault();
    if (link.href === location.href) changed();
    else go(link.href);
  });
}

function safeDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
return { BASE: BASE, place: place, usePlace: usePlace, href: href, go: go, setQuery: setQuery, takeClicks: takeClicks };
})();
const $loading = (() => {
const { useEffect, useRef, useState } = $html;

const RETRIES_S = [2, 5, 10, 20, 30];
const OLD_MS = 30000;

function useLoad(load, deps) {
  const [state, set] = useState({ loading: true });
  const [turn, again] = useState(0);
  const wanted = JSON.stringify(deps);
  const latest = useRef({ failures: 0 });
  latest.current.state = state;
  const reload = ({ gently = false } = {}) => {
    if (!gently || !latest.current.state.loading) again((n) => n + 1);
  };
  useEffect(() => {
    const control = new AbortController();
    let retry;
    set((old) => ({ ...old, loading: true }));
    load(control.signal).then(
      (found) => {
        if (control.signal.aborted) return;
        latest.current.failures = 0;
        set({ found, loading: false, at: Date.now(), wanted });
      },
      (failure) => {
        if (control.signal.aborted) return;
        set((old) => ({ ...(old.wanted === wanted && old), failure, loading: false }));
        if (failure.definite || failure.loggedOut) return;
        const wait = RETRIES_S[Math.min(latest.current.failures++, RETRIES_S.length - 1)];
        retry = setTimeout(reload, wait * 1000);
      },
    );
    return () => {
      clearTimeout(retry);
      control.abort();
    };
  }, [wanted, turn]);
  useEffect(() => {
    const renew = () => reload();
    const lookedAt = () => {
      const { at, failure } = latest.current.state;
      const isOld = failure ? !failure.definite : Date.now() - at > OLD_MS;
      if (document.visibilityState === "visible" && isOld) reload({ gently: true });
    };
    const events = [["sessionback", renew], ["written", renew], ["online", renew]];
    events.forEach(([name, react]) => addEventListener(name, react));
    document.addEventListener("visibilitychange", lookedAt);
    return () => {
      events.forEach(([name, react]) => removeEventListener(name, react));
      document.removeEventListener("visibilitychange", lookedAt);
    };
  }, []);
  return { ...state, reload };
}
return { useLoad: useLoad };
})();
const $ui = (() => {
const { html, useEffect, useId, useState } = $html;
const { Ago, clock, number } = $format;
const { setQuery } = $router;

let toastNumber = 0;
let showToasts = () => {};
let toasts = [];

function say(text, { tone = "good", action } = {}) {
  const toast = { id: ++toastNumber, text, tone, action };
  toasts = [...toasts.slice(-3), toast];
  showToasts(toasts);
  setTimeout(() => dismiss(toast.id), action || tone === "bad" ? 15000 : 6000);
}

function dismiss(id) {
  toasts = toasts.filter((toast) => toast.id !== id);
  showToasts(toasts);
}

function Toasts() {
  const [shown, set] = useState(toasts);
  showToasts = set;
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map((toast) => html`<div class=${`toast ${toast.tone}`} key=${toast.id}>
      <span>${toast.text}</span>
      ${toast.action && html`<button class="link" onClick=${() => { dismiss(toast.id); toast.action.run(); }}>${toast.action.label}</button>`}
      <button class="icon" aria-label="Dismiss" onClick=${() => dismiss(toast.id)}>×</button>
    </div>`)}
  </div>`;
}

function Field({ label, hint, error, children }) {
  const id = useId();
  const described = [hint && `${id}h`, error && `${id}e`].filter(Boolean).join(" ") || undefined;
  return html`<div class=${error ? "field wrong" : "field"}>
    <label for=${id}>${label}</label>
    ${children({ id, "aria-describedby": described, "aria-invalid": error ? "true" : undefined })}
    ${hint && html`<p class="hint" id=${`${id}h`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}e`}>${error}</p>`}
  </div>`;
}

const Badge = ({ tone = "", children }) => html`<span class=${`badge ${tone}`}>${children}</span>`;

const Quoted = ({ children }) => html`<span class="why">“<bdi>${children}</bdi>”</span>`;

function Empty({ title, children }) {
  return html`<div class="empty"><p class="title">${title}</p>${children && html`<p>${children}</p>`}</div>`;
}

function Skeleton({ rows = 6, label = "Loading" }) {
  return html`<div class="skeleton" role="status" aria-label=${label}>
    ${Array.from({ length: rows }, (_, n) => html`<span key=${n} class=${`w${n % 4}`}></span>`)}
  </div>`;
}

function Trouble({ failure, retry }) {
  const forbidden = failure.status === 403;
  return html`<div class="trouble" role="alert">
    <p class="title">${forbidden ? "Your role does not open this." : failure.message}</p>
    <p>${failure.guidance || "Nothing was changed: this page only reads."}</p>
    ${failure.requestId && html`<p class="quiet small">Request <code>${failure.requestId}</code></p>`}
    ${retry && !forbidden && html`<button onClick=${() => retry()}>Try again</button>`}
  </div>`;
}

function ReadState({ page }) {
  if (!page.failure) return null;
  if (!page.found) return page.loading ? null : html`<${Trouble} failure=${page.failure} retry=${page.reload} />`;
  return html`<div class="stale" role="status"><p><b>Not refreshed since ${clock(page.at)}</b> (<${Ago} at=${new Date(page.at).toISOString()} />). ${page.failure.message}
    ${page.failure.definite || page.failure.loggedOut ? "" : " It is tried again by itself."}</p>
    <button class="small" onClick=${() => page.reload()}>Try now</button></div>`;
}

const AsOf = ({ page }) => (page.at ? html`<p class="asof">As of ${clock(page.at)}</p>` : null);

function Table({ caption, columns, rows, rowKey, busy }) {
  const size = columns.length > 6 ? "wide" : columns.length > 4 ? "middle" : "narrow";
  return html`<div class=${`scroll ${size}`}><table role="table" class=${busy ? "busy" : ""} aria-busy=${busy ? "true" : "false"}>
    <caption class="sr">${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map((column) => html`
      <th role="columnheader" scope="col" class=${column.cls || ""} key=${column.label}>${column.label}</th>`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${rowKey(row)}>
      ${columns.map((column) => html`<td role="cell" class=${column.cls || ""} key=${column.label} data-label=${column.label}>${column.cell(row)}</td>`)}
    </tr>`)}</tbody>
  </table></div>`;
}

function Figures({ figures, cls = "" }) {
  const longest = Math.max(...figures.map(([, text]) => String(text).length));
  return html`<dl class=${`figures-grid ${cls}`} style=${{ "--chars": longest }}>${figures.map(([label, text, { cls: own = "", note, to } = {}]) => html`
    <div class=${`figure ${own}`} key=${label}><dt>${to ? html`<a href=${to}>${label}</a>` : label}</dt>
      <dd>${text}</dd>${note && html`<dd class="note">${note}</dd>`}</div>`)}</dl>`;
}

function Pager({ cursor, next, count, noun }) {
  if (!cursor && !next) return count > 8 ? html`<p class="pager quiet">${number(count)} ${noun}, and no more.</p>` : null;
  return html`<nav class="pager" aria-label="Pages">
    <button disabled=${!cursor} onClick=${() => setQuery({ cursor: "" })}>First</button>
    <button disabled=${!cursor || !history.state?.inside} onClick=${() => history.back()}>Previous</button>
    <button disabled=${!next} onClick=${() => setQuery({ cursor: next })}>Next</button>
  </nav>`;
}

function Copy({ text, label = "Copy" }) {
  const [done, set] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text).catch(() => select(text));
    set(true);
    setTimeout(() => set(false), 2000);
  };
  return html`<button type="button" class="small" onClick=${copy} aria-label=${done ? "Copied" : label}>${done ? "Copied" : "Copy"}</button>`;
}

function select(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

function Head({ title, children, sub, page }) {
  useEffect(() => { document.title = `${title} · Pluct`; }, [title]);
  return html`<header class="head"><div><h1 tabindex="-1">${title}</h1>${sub && html`<div class="quiet sub">${sub}</div>`}
      ${page && html`<${AsOf} page=${page} />`}</div>
    ${children && html`<div class="actions">${children}</div>`}</header>`;
}
return { say: say, Toasts: Toasts, Field: Field, Badge: Badge, Quoted: Quoted, Empty: Empty, Skeleton: Skeleton, Trouble: Trouble, ReadState: ReadState, AsOf: AsOf, Table: Table, Figures: Figures, Pager: Pager, Copy: Copy, Head: Head };
})();
const $filters = (() => {
const { html, useEffect, useId, useRef, useState } = $html;
const { get } = $api;
const { today } = $format;
const { setQuery } = $router;
const { useLoad } = $loading;
const { Field } = $ui;

const PAUSE_MS = 250;
const MOST = 8;
const ID = /^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,127}$/;

const startingWith = (prefix, signal) => get("/admin/users", { prefix, limit: MOST }, { signal }).then((found) => found.users.map((user) => user.userId));

function UserField({ label, name, value, placeholder }) {
  const list = useId();
  const [ids, setIds] = useState([]);
  const timer = useRef();
  useEffect(() => () => clearTimeout(timer.current), []);
  const typed = (event) => {
    const prefix = event.target.value.trim();
    clearTimeout(timer.current);
    if (ID.test(prefix)) timer.current = setTimeout(() => startingWith(prefix).then(setIds, () => setIds([])), PAUSE_MS);
  };
  return html`<${Field} label=${label}>${(given) => html`<input ...${given} name=${name} list=${list} defaultValue=${value} placeholder=${placeholder} maxlength="128" autocomplete="off" spellcheck=${false} onInput=${typed} />
    <datalist id=${list}>${ids.map((id) => html`<option value=${id} key=${id} />`)}</datalist>`}<//>`;
}

async function userOf(typed) {
  if (!ID.test(typed)) return typed;
  const ids = await startingWith(typed).catch(() => []);
  return ids.includes(typed) || ids.length !== 1 ? typed : ids[0];
}

function Alike({ prefix }) {
  const page = useLoad((signal) => (ID.test(prefix) ? startingWith(prefix, signal) : Promise.resolve([])), [prefix]);
  const ids = (page.found || []).filter((id) => id !== prefix);
  if (!ids.length) return null;
  return html`<span>Users whose id begins with “${prefix}”: ${ids.map((id) => html`<button class="link id" key=${id} onClick=${() => setQuery({ user: id })}>${id}</button> `)}</span>`;
}

const daysOf = (query) => ({ fromDay: query.fromDay || query.day || "", toDay: query.toDay || query.day || "" });

function DayFields({ fromDay, toDay }) {
  const day = (name, label, value) => html`<${Field} label=${label}>${(given) => html`<input ...${given} type="date" name=${name} max=${today()} defaultValue=${value} />`}<//>`;
  return html`${day("fromDay", "From day (UTC)", fromDay)}${day("toDay", "To day (UTC)", toDay)}`;
}

function Filters({ cls = "", count, apply, children }) {
  const [open, setOpen] = useState(false);
  const submit = (event) => {
    event.preventDefault();
    apply(Object.fromEntries([...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value).trim()])));
  };
  return html`<div class="filters-box"><button class="filters-toggle" aria-expanded=${open ? "true" : "false"} aria-controls="filters" onClick=${() => setOpen(!open)}>${count ? `Filters (${count})` : "Filters"}</button>
    <form id="filters" class=${`filters ${cls} ${open ? "" : "folded"}`} aria-label="Filters" onSubmit=${submit}>${children}</form></div>`;
}
return { UserField: UserField, userOf: userOf, Alike: Alike, daysOf: daysOf, DayFields: DayFields, Filters: Filters };
})();
const $words = (() => {
const { credits, dollars, number } = $format;

const TYPES = {
  user_creation: "Account created",
  add_webhook: "Bought",
  api_add: "Added through the API",
  purchase: "Pack bought",
  clawback: "Taken back",
  clawback_return: "Given back",
  admin_add: "Added by an operator",
  admin_deduct: "Deducted by an operator",
  spend: "Held or spent",
  capture: "Charged",
  refund: "Released or returned",
  write_off: "Written off",
};

function sold({ product, units }) {
  const code = (product || "").split("@")[0];
  return code && units ? `${number(units)} × ${code}` : code;
}

const charged = (entry) => (entry.owedChange || 0) - entry.amount - entry.heldChange;

function owed({ owedChange = 0 }) {
  if (owedChange > 0) return `; owed ${number(owedChange)}, paid by the next grant`;
  return owedChange < 0 ? `; ${number(-owedChange)} of them pay what was owed` : "";
}

function captured(entry) {
  const size = charged(entry);
  const what = sold(entry) ? ` for ${sold(entry)}` : "";
  if (entry.heldLeft !== null && entry.heldLeft !== undefined) return `Charged ${number(size)}${what}, ${number(entry.heldLeft)} still held${owed(entry)}`;
  const back = entry.amount > 0 ? `, ${number(entry.amount)} back` : "";
  if (!size) return `Nothing charged${back}`;
  if (!entry.product && !back) return `Captured: ${credits(size)} spent on a delivered job${owed(entry)}`;
  return `Charged ${number(size)}${what}${back}${owed(entry)}`;
}

function spent(entry, size) {
  const what = sold(entry) || "a token";
  if (!entry.reverses) return entry.heldChange > 0 ? (entry.product ? `Held ${number(entry.heldChange)} for ${what}` : `${size} held for a token`) : `${size} spent on ${what}`;
  if (entry.heldChange > 0) return `${size} more held${sold(entry) ? ` for ${sold(entry)}` : ""}, ${number(entry.heldLeft)} in all`;
  if (isOfBackend(entry) || entry.product) return `${credits(charged(entry))} charged after the hold had ended${owed(entry)}`;
  return `${size} charged again: the job was delivered after the hold was released`;
}

const isOfBackend = ({ subject = "" }) => subject[22] === ".";

function happened(entry) {
  const size = credits(Math.abs(entry.amount - Math.min(0, entry.owedChange || 0)));
  const undoes = entry.reverses ? `, undoing entry ${entry.reverses}` : "";
  switch (entry.type) {
    case "user_creation":
      return entry.amount ? `Account created with ${size}` : "Account created";
    case "add_webhook":
      return `Bought ${size}${owed(entry)}`;
    case "api_add":
      return `${size} added through the API${owed(entry)}`;
    case "purchase":
      return `Bought a pack of ${size}${owed(entry)}`;
    case "clawback":
      return `Taken back after a refund or dispute: ${credits(Math.abs(charged(entry)))}${owed(entry)}`;
    case "clawback_return":
      return `Given back, because a refund failed or a dispute was won: ${size}${owed(entry)}`;
    case "admin_add":
      return `${size} added by an operator${undoes || owed(entry)}`;
    case "admin_deduct":
      return `${size} deducted by an operator${undoes}${entry.owedChange > 0 ? `; ${number(entry.owedChange)} is owed again` : ""}`;
    case "spend":
      return spent(entry, size);
    case "capture":
      return captured(entry);
    case "refund":
      return entry.heldChange < 0 ? `Released: ${size} returned from the hold` : `${size} returned`;
    case "write_off":
      return "Written off: the job was delivered after the hold was released";
    default:
      return `${sentence(entry.type)}${entry.amount ? `: ${size}` : ""}`;
  }
}

const BEYOND = /^(\d+) micro-dollars beyond what there was$/;

function moved(entry) {
  const money = (micros) => dollars(Math.abs(micros) / 1e6);
  const size = money(entry.amount);
  const [from, to] = String(entry.subject || "").split("->");
  switch (entry.type) {
    case "plan_grant":
      return entry.amount < 0 ? `Allowance of the plan renewed: ${size} deducted` : `Allowance of the plan granted: ${size}`;
    case "plan_change":
      return `Plan changed${to ? ` from ${from} to ${to}` : ""}${entry.amount ? `: ${size} granted` : ""}`;
    case "top_up":
      return `Bought ${size}`;
    case "clawback":
      return `Taken back after a refund or dispute: ${size}`;
    case "clawback_return":
      return `Given back, because a refund failed or a dispute was won: ${size}`;
    case "admin_add":
      return `${size} added by an operator`;
    case "admin_deduct":
      return `${size} deducted by an operator`;
    case "key_fund":
      return `${money(entry.heldChange)} held for a key`;
    case "key_return":
      return `Released: ${money(entry.heldChange)} returned from a key`;
    case "usage":
      return `${money(entry.amount + entry.heldChange)} used with a key`;
    case "usage_write_off": {
      const beyond = BEYOND.exec(entry.reason || "");
      return beyond ? `Written off: ${money(Number(beyond[1]))} used beyond the balance` : "Written off: used beyond the balance";
    }
    default:
      return `${sentence(entry.type)}${entry.amount ? `: ${size}` : ""}`;
  }
}

function why(entry) {
  const reason = entry.reason || "";
  return reason === entry.type || BEYOND.test(reason) ? "" : reason;
}

function who(actor = "") {
  const [kind, ...rest] = actor.split(":");
  const name = rest.join(":");
  switch (kind) {
    case "user": return "the user";
    case "device": return "the app";
    case "anonymous": return "a caller without a credential";
    case "webhook": return name === "payment" || !name ? "the payment provider" : name;
    case "api-key": return name === "engine" ? "the main API key" : `API key ${name}`;
    case "admin": return name === "secret" ? "the admin secret" : `admin ${name}`;
    case "operator": return name;
    case "system": return `the system (${name})`;
    default: return actor || "unknown";
  }
}

const actorOf = (typed) => (!typed || typed.includes(":") ? typed : `operator:${typed.toLowerCase()}`);

const ACTIONS = {
  vend: "asked for a token", login: "logged in", logout: "logged out", logout_everywhere: "logged out everywhere",
  admin_add: "added credits", admin_deduct: "deducted credits", erase_personal_data: "erased personal data", key_generate: "created an API key",
  key_revoke: "revoked an API key", subscription_block: "blocked the subscription", subscription_unblock: "unblocked the subscription",
  subscription_rotate: "rotated the key", operator_create: "created the operator", operator_password: "set a new password",
  operator_role: "changed the role", operator_disable: "disabled the operator", operator_enable: "enabled the operator",
  operator_log_out: "ended all sessions", hold: "held credits", hold_end: "ended a hold", product_save: "saved a version of the product",
};

const did = (action) => ACTIONS[action] || action.replaceAll("_", " ");

const tone = (entry) => (entry.amount > 0 ? "up" : entry.amount < 0 ? "down" : "flat");

function outcome(later) {
  if (!later) return null;
  const isPart = later.heldLeft !== null && later.heldLeft !== undefined;
  if (later.type === "capture") return isPart ? ["partly charged", "good"] : ["captured", "good"];
  if (later.type === "refund") return ["released", ""];
  if (later.type === "spend") return isPart ? ["extended", ""] : ["charged later", "warn"];
  return ["undone", "warn"];
}

function sentence(type) {
  const text = type.replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}
return { TYPES: TYPES, sold: sold, happened: happened, moved: moved, why: why, who: who, actorOf: actorOf, did: did, tone: tone, outcome: outcome };
})();
const $audit = (() => {
const { html } = $html;
const { get } = $api;
const { DayFields, daysOf, Filters, UserField, userOf } = $filters;
const { Time, today, zone } = $format;
const { useLoad } = $loading;
const { href, setQuery } = $router;
const { Badge, Empty, Field, Head, Pager, Quoted, ReadState, Skeleton, Table } = $ui;
const { did, who } = $words;

const PAGE = 50;
const OUTCOMES = { any: "All", done: "Done", refused: "Refused" };
const isUser = (id) => !/^(operator|pk|key)[:_]/.test(id);

function About({ record }) {
  const id = record.userId;
  if (!isUser(id)) return html`<a class="id" href=${href("audit", "", { user: id })}>${id}</a>`;
  const page = record.action.startsWith("subscription_") || (record.unit && record.unit !== "credits") ? "subscriptions" : "users";
  return html`<a class="id" href=${href(page, id)}>${id}</a>`;
}

function Did({ record }) {
  const text = did(record.action);
  const link = record.seq && record.unit === "credits" ? html`<a href=${href("users", record.userId, { entry: record.seq })}>${text}</a>` : text;
  return html`${link} ${record.reason && html`<${Quoted}>${record.reason}<//>`}`;
}

const columns = () => [
  { label: `When (${zone()})`, cls: "when", cell: (record) => html`<${Time} at=${record.timestamp} />` },
  { label: "Who", cls: "by", cell: (record) => html`<span title=${record.actor}>${who(record.actor)}</span>` },
  { label: "What", cls: "main", cell: (record) => html`<${Did} record=${record} />` },
  { label: "About", cls: "who", cell: (record) => html`<${About} record=${record} />` },
  { label: "Outcome", cell: (record) => html`<${Badge} tone=${record.ok ? "good" : "bad"}>${record.ok ? "done" : (record.code || "refused").replaceAll("_", " ")}<//>` },
  { label: "From", cls: "from", cell: (record) => html`<span title=${record.userAgent}>${record.address || "–"}</span>` },
];

function Audit({ query }) {
  const user = query.user || "";
  const outcome = OUTCOMES[query.outcome] ? query.outcome : "any";
  const given = daysOf(query);
  const days = user || given.fromDay || given.toDay ? given : { fromDay: today(), toDay: today() };
  const page = useLoad((signal) => get("/admin/audit", { user, ...days, outcome, cursor: query.cursor, limit: PAGE }, { signal }), [user, days, outcome, query.cursor]);
  const found = page.found?.records;
  const apply = async (wanted) => setQuery({ day: "", ...wanted, user: await userOf(wanted.user), outcome: wanted.outcome === "any" ? "" : wanted.outcome });
  const clear = () => setQuery({ user: "", day: "", fromDay: "", toDay: "", outcome: "" });
  const isFiltered = user || given.fromDay || given.toDay || outcome !== "any";
  const when = days.fromDay === days.toDay ? `on ${days.fromDay || "any day"}` : `from ${days.fromDay || "the beginning"} to ${days.toDay || "today"}`;
  return html`<${Head} title="Audit" page=${page} sub="Refusals, tokens, log-ins, and what operators did." />
    <${Filters} cls="audit" key=${JSON.stringify([user, days, outcome])} count=${isFiltered ? 1 : 0} apply=${apply}>
      <${UserField} label="About" name="user" value=${user} placeholder="user id or operator:anna" />
      <${DayFields} ...${days} />
      <${Field} label="Outcome">${(field) => html`<select ...${field} name="outcome" value=${outcome}>${Object.entries(OUTCOMES).map(([value, label]) => html`<option value=${value} selected=${value === outcome} key=${value}>${label}</option>`)}</select>`}<//>
      <div class="buttons"><button class="primary">Filter</button>${isFiltered && html`<button type="button" onClick=${clear}>Today</button>`}</div>
    <//>
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${10} label="Loading the audit" />`}
    ${found && (found.length ? html`<${Table} caption="Audit records, newest first" columns=${columns()} rows=${found} rowKey=${(record) => record.key} busy=${page.loading} />`
      : html`<${Empty} title=${page.found.nextCursor ? "No record among those searched so far" : `No record${user ? ` about ${user}` : ""} ${when}`}>${page.found.nextCursor ? "There are older ones to search: go on with Next." : "Audit records expire after the deployment's number of days; the ledger's entries never expire."}<//>`)}
    ${found && html`<${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "record" : "records"} />`}`;
}
return { Audit: Audit };
})();
const $progress = (() => {
const { html, useEffect, useState } = $html;

const SHOWN_S = 1;
const SAID_S = 3;

function Waiting() {
  const [seconds, set] = useState(0);
  useEffect(() => {
    const since = Date.now();
    const timer = setInterval(() => set(Math.floor((Date.now() - since) / 1000)), 500);
    return () => clearInterval(timer);
  }, []);
  return seconds >= SHOWN_S && html`<span class="waiting"><progress aria-label="Waiting for the gateway"></progress>
    ${seconds >= SAID_S && html`<span>Waiting for the gateway for ${seconds} s</span>`}</span>`;
}

function Working() {
  const [running, set] = useState(0);
  useEffect(() => {
    const heard = (event) => set(event.detail);
    addEventListener("calls", heard);
    return () => removeEventListener("calls", heard);
  }, []);
  return html`<div class="working" role="status">${running > 0 && html`<${Waiting} />`}</div>`;
}
return { Waiting: Waiting, Working: Working };
})();
const $dialog = (() => {
const { html, useEffect, useId, useLayoutEffect, useRef } = $html;
const { Waiting } = $progress;

const topmost = () => [...document.querySelectorAll("dialog[open]")].at(-1);

function Dialog({ title, onClose, busy = false, step = "", cls = "", children }) {
  const element = useRef();
  const heading = useId();
  const close = useRef();
  close.current = () => { if (!busy) onClose?.(); };
  useEffect(() => {
    const shown = element.current;
    const before = document.activeElement;
    shown.showModal();
    let isShown = true;
    const closed = () => {
      if (!isShown) return;
      shown.showModal();
      close.current();
    };
    shown.addEventListener("close", closed);
    return () => {
      isShown = false;
      shown.close(); // While it is open, the page behind cannot take the focus.
      (before?.isConnected ? before : document.querySelector("main h1"))?.focus();
    };
  }, []);
  useEffect(() => enter(element.current), [step]);
  useLayoutEffect(() => {
    const shown = element.current;
    if (shown.open && topmost() === shown && !shown.contains(document.activeElement)) enter(shown);
  });
  const pressed = (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close.current();
    } else if (event.key === "Enter" && event.repeat) {
      event.preventDefault(); // A key held down does not confirm the next step as well.
    }
  };
  const cancelled = (event) => {
    event.preventDefault();
    close.current();
  };
  return html`<dialog ref=${element} class=${cls} aria-labelledby=${heading} onKeyDown=${pressed} onCancel=${cancelled}>
    <header><h2 id=${heading} tabindex="-1">${title}</h2>
      ${onClose && html`<button type="button" class="icon" aria-label="Close" aria-disabled=${busy ? "true" : undefined} onClick=${() => close.current()}>×</button>`}
    </header>
    ${children}
  </dialog>`;
}

function enter(shown) {
  (shown.querySelector("[data-first]") || shown.querySelector("h2")).focus();
}

function Buttons({ back, onBack, act, doing, busy = false, danger = false, first = false }) {
  const off = busy ? "true" : undefined;
  const stop = (event) => { if (busy) event.preventDefault(); };
  return html`<footer>${busy && html`<${Waiting} />`}
    ${back && html`<button type="button" aria-disabled=${off} data-first=${act ? undefined : true} onClick=${(event) => (busy ? stop(event) : onBack())}>${back}</button>`}
    ${act && html`<button class=${danger ? "danger" : "primary"} aria-disabled=${off} data-first=${first || undefined} onClick=${stop}>${busy ? doing : act}</button>`}
  </footer>`;
}
return { Dialog: Dialog, Buttons: Buttons };
})();
const $outcomes = (() => {
const { get } = $api;

const LOOKED_AT = 100;

const LOOKUPS = {
  entry: async ({ user, ...wanted }) => {
    const { transactions } = await get("/admin/transactions", { user, limit: LOOKED_AT });
    return transactions.some((entry) => isOf(entry, wanted));
  },
  subscriptionEntry: async ({ user, ...wanted }) => {
    const { transactions } = await get(`/admin/subscriptions/${encodeURIComponent(user)}`);
    return transactions.some((entry) => isOf(entry, wanted));
  },
  subscription: async ({ user, member, value, not }) => {
    const found = await get(`/admin/subscriptions/${encodeURIComponent(user)}`);
    return not === undefined ? found[member] === value : found[member] !== not;
  },
  key: async ({ description, known }) => {
    const { keys } = await get("/admin/keys");
    return keys.some((key) => key.description === description && !known.includes(key.id));
  },
  revoked: async ({ id }) => {
    const { keys } = await get("/admin/keys");
    return keys.some((key) => key.id === id && key.revokedAt);
  },
  product: async ({ code, version, members }) => {
    const { versions } = await get(`/admin/products/${encodeURIComponent(code)}`).catch(noVersions);
    const made = versions.find((one) => one.version === version);
    return Boolean(made) && Object.entries(members).every(([name, value]) => made[name] === value);
  },
  hold: async ({ user, jti }) => {
    const { holds } = await get("/admin/holds", { user, state: "open" });
    return holds.every((hold) => hold.jti !== jti);
  },
  erased: async ({ user, before }) => {
    const { erasedAt } = await get(`/admin/users/${encodeURIComponent(user)}`);
    return Boolean(erasedAt) && erasedAt !== before;
  },
};

function noVersions(failure) {
  if (failure.status !== 404) throw failure;
  return { versions: [] };
}

function isOf(entry, { after, type, amount, reason, actor, reverses }) {
  if (reverses !== undefined) return entry.reverses === reverses;
  return entry.seq > after && entry.type === type && entry.reason === reason && entry.actor === actor
    && (amount === undefined || entry.amount - (entry.owedChange || 0) === amount);
}

const isDone = ({ about }) => LOOKUPS[about.kind](about);

const text = ({ about }) => about.text;
return { isDone: isDone, text: text };
})();
const $writes = (() => {
const { html, useEffect, useState } = $html;
const { call, Failure, newKey } = $api;
const { clock } = $format;
const { isDone, text } = $outcomes;
const { say } = $ui;

const STORE = "pluct-writes";
const KEPT_MS = 24 * 3600 * 1000; // The gateway keeps a request's key for at least 24 hours.
const IN_FLIGHT_MS = 30000; // The gateway ends every call within 30 s.
const SETTLED_MS = 60000; // After this, a write that is not there was not carried out.
const LOOK_MS = 5000;

let inMemory = {};

function stored() {
  try {
    inMemory = JSON.parse(localStorage.getItem(STORE)) || {};
  } catch { /* A browser that stores nothing keeps the writes of this page. */ }
  const now = Date.now();
  return Object.fromEntries(Object.entries(inMemory).filter(([, write]) => now - write.sentAt < KEPT_MS));
}

function change(act, write) {
  const writes = { ...stored(), [act]: write };
  if (write === undefined) delete writes[act];
  inMemory = writes;
  try {
    localStorage.setItem(STORE, JSON.stringify(writes));
  } catch { /* As above. */ }
  dispatchEvent(new Event("writes"));
}

function unknown() {
  return Object.values(stored()).filter((write) => write.lost || Date.now() - write.sentAt > IN_FLIGHT_MS);
}

function useUnknown() {
  const [found, set] = useState(unknown);
  useEffect(() => {
    const look = () => set(unknown());
    const timer = setInterval(look, LOOK_MS);
    addEventListener("writes", look);
    addEventListener("storage", look);
    return () => {
      clearInterval(timer);
      removeEventListener("writes", look);
      removeEventListener("storage", look);
    };
  }, []);
  return found;
}

function useWrite(act) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const pending = useUnknown().find((write) => write.act === act);
  const send = async (path, body, about, method = "POST") => {
    setBusy(true);
    setFailure(null);
    try {
      return await carriedOut({ act, method, path, body, about });
    } catch (error) {
      if (!error.loggedOut && error.unchanged) setFailure(error);
      return null;
    } finally {
      setBusy(false);
    }
  };
  return { busy, failure, pending, send, forget: () => setFailure(null) };
}

async function carriedOut({ act, method, path, body, about }) {
  const earlier = stored()[act];
  const said = JSON.stringify([method, path, body]);
  if (earlier && earlier.said !== said) {
    throw new Failure(0, { message: "Another change of this kind is being sent. Wait until its outcome is known." }, true);
  }
  const write = { act, method, path, body, said, about, key: earlier?.key || newKey(), sentAt: Date.now() };
  change(act, write);
  try {
    const made = await call(method, path, { body, key: write.key });
    change(act);
    return made;
  } catch (error) {
    change(act, error.unchanged ? undefined : { ...write, lost: true });
    throw error;
  }
}

async function sendAgain(write) {
  change(write.act, { ...write, lost: true, sentAt: Date.now() });
  try {
    await call(write.method, write.path, { body: write.body, key: write.key });
    finished(write, true);
  } catch (error) {
    if (!error.loggedOut) say(error.message, { tone: "bad" });
  }
}

async function look(write) {
  const lookedAt = Date.now();
  try {
    if (await isDone(write)) finished(write, true);
    else if (lookedAt - write.sentAt > SETTLED_MS) finished(write, false);
    else seen(write, { lookedAt, unread: false });
  } catch {
    seen(write, { lookedAt, unread: true });
  }
}

function seen(write, members) {
  if (stored()[write.act]?.key === write.key) change(write.act, { ...stored()[write.act], ...members });
}

function finished(write, done) {
  if (stored()[write.act]?.key !== write.key) return;
  change(write.act);
  say(done ? `${text(write)}: this took effect, once.${write.about.then ? ` ${write.about.then}` : ""}`
    : `${text(write)}: this did not take effect. Nothing was changed.`, { tone: done ? "good" : "bad" });
  dispatchEvent(new CustomEvent("outcome", { detail: { act: write.act, done } }));
  dispatchEvent(new Event("written"));
}

function Unknown({ write }) {
  const [busy, setBusy] = useState(false);
  const doing = (what) => async () => {
    if (busy) return;
    setBusy(true);
    await what(write);
    setBusy(false);
  };
  const until = write.sentAt + SETTLED_MS;
  const looked = !write.lookedAt ? "It is being looked up."
    : write.unread ? `It could not be looked up at ${clock(write.lookedAt)}; it is tried again.`
      : `At ${clock(write.lookedAt)} it was not there. It can still arrive until ${clock(until)}.`;
  return html`<div class="trouble compact" role="alert">
    <p class="title">The outcome is not known yet: ${text(write)}</p>
    <p>Sent at ${clock(write.sentAt)}; the answer was lost. ${looked}${write.about.once ? " Sending it again uses the same idempotency key, so it is counted once." : ""}</p>
    <p class="buttons"><button type="button" aria-disabled=${busy ? "true" : undefined} onClick=${doing(look)}>Look it up</button>
      ${write.about.once && html`<button type="button" aria-disabled=${busy ? "true" : undefined} onClick=${doing(sendAgain)}>Send again</button>`}</p>
  </div>`;
}

function UnknownWrites() {
  const writes = useUnknown();
  const keys = writes.map((write) => write.key).join();
  useEffect(() => {
    if (!keys) return undefined;
    const all = () => unknown().forEach(look);
    all();
    const timer = setInterval(all, LOOK_MS);
    const events = ["online", "sessionback"];
    events.forEach((name) => addEventListener(name, all));
    return () => {
      clearInterval(timer);
      events.forEach((name) => removeEventListener(name, all));
    };
  }, [keys]);
  return writes.length ? html`<div class="unknown">${writes.map((write) => html`<${Unknown} key=${write.key} write=${write} />`)}</div>` : null;
}

function useOutcome(act, react) {
  useEffect(() => {
    const heard = (event) => { if (event.detail.act === act) react(event.detail.done); };
    addEventListener("outcome", heard);
    return () => removeEventListener("outcome", heard);
  });
}

function Refused({ failure }) {
  if (!failure) return null;
  const said = failure.code === "insufficient_credits" && failure.details.balance !== undefined
    ? `The balance is ${failure.details.balance} now, which is less than the amount to deduct.` : failure.message;
  return html`<div class="trouble compact" role="alert">
    <p class="title">${said}</p><p>Nothing was changed. No credit moved.${failure.definite && failure.guidance ? ` ${failure.guidance}` : ""}</p>
    ${failure.requestId && html`<p class="quiet small">Request <code>${failure.requestId}</code></p>`}
  </div>`;
}
return { useUnknown: useUnknown, useWrite: useWrite, Unknown: Unknown, UnknownWrites: UnknownWrites, useOutcome: useOutcome, Refused: Refused };
})();
const $keys = (() => {
const { html, useState } = $html;
const { get } = $api;
const { Buttons, Dialog } = $dialog;
const { Ago, isolated, Time } = $format;
const { useLoad } = $loading;
const { Badge, Copy, Empty, Field, Head, ReadState, say, Skeleton, Table } = $ui;
const { who } = $words;
const { Refused, Unknown, useOutcome, useWrite } = $writes;

const SCOPES = {
  "credits:write": "Add and deduct credits",
  "users:read": "Read users, transactions and figures",
  "holds:write": "Hold and charge credits, end holds",
  "subscriptions:write": "Change subscriptions",
  "keys:write": "Create and revoke keys",
  admin: "Everything",
};

function Keys({ session }) {
  const page = useLoad((signal) => get("/admin/keys", {}, { signal }), []);
  const [dialog, setDialog] = useState(null);
  const keys = page.found?.keys;
  const mayChange = session.scopes.includes("keys:write");
  const close = () => setDialog(null);
  const done = () => {
    close();
    page.reload();
  };
  const columns = [
    { label: "Purpose", cls: "main", cell: (key) => html`<bdi>${key.description}</bdi> ${key.revokedAt && html`<${Badge} tone="bad">revoked<//>`}` },
    { label: "Key", cls: "who", cell: (key) => html`<code>${key.hint || key.id}</code>` },
    { label: "Scopes", cell: (key) => html`<span class="tags">${key.scopes.map((scope) => html`<${Badge} key=${scope}>${scope}<//>`)}</span>` },
    { label: "Created", cls: "when", cell: (key) => html`<${Time} at=${key.createdAt} style="day" /> <span class="quiet">by ${who(key.createdBy)}</span>` },
    { label: "Last used", cls: "when", cell: (key) => html`<${Ago} at=${key.lastUsedAt} />` },
    { label: "Revoke", cls: "act", cell: (key) => (key.revokedAt ? html`<span class="quiet">since <${Time} at=${key.revokedAt} style="day" /></span>`
      : mayChange && html`<button class="small" aria-label=${`Revoke ${key.description}`} onClick=${() => setDialog({ revoke: key })}>Revoke</button>`) },
  ];
  return html`<${Head} title="API keys" page=${page}>${mayChange && keys && html`<button class="primary" onClick=${() => setDialog({ make: true })}>New key</button>`}<//>
    <${ReadState} page=${page} />
    ${!keys && !page.failure && html`<${Skeleton} rows=${5} label="Loading keys" />`}
    ${keys && (keys.length ? html`<${Table} caption="API keys" columns=${columns} rows=${keys} rowKey=${(key) => key.id} busy=${page.loading} />`
      : html`<${Empty} title="There are no keys yet">A key lets a back end add credits or read users without an operator.<//>`)}
    ${dialog?.make && html`<${Make} onClose=${done} scopes=${session.scopes} known=${keys.map((key) => key.id)} />`}
    ${dialog?.revoke && html`<${Revoke} apiKey=${dialog.revoke} onClose=${close} onDone=${done} />`}`;
}

function Make({ onClose, scopes: own, known }) {
  const [description, setDescription] = useState("");
  const [scopes, setScopes] = useState(["credits:write"]);
  const [tried, setTried] = useState(false);
  const [made, setMade] = useState(null);
  const write = useWrite("key");
  useOutcome("key", (done) => done && onClose());
  const toggle = (scope) => setScopes(scopes.includes(scope) ? scopes.filter((one) => one !== scope) : [...scopes, scope]);
  const submit = async (event) => {
    event.preventDefault();
    setTried(true);
    const purpose = description.trim();
    if (!purpose || !scopes.length || write.busy) return;
    const about = { kind: "key", description: purpose, known, text: `Create the API key “${isolated(purpose)}”`, then: "Its secret was not shown: revoke it and create another." };
    setMade(await write.send("/admin/generate-key", { description: purpose, scopes }, about));
  };
  if (made) {
    return html`<${Dialog} title="The key, shown once" step="made">
      <p>Copy it now: only its hash is stored, so it cannot be shown again.</p>
      <div class="secret"><code>${made.key || made.apiKey}</code><${Copy} text=${made.key || made.apiKey} label="Copy the key" /></div>
      <footer><button class="primary" data-first onClick=${onClose}>I have copied it</button></footer><//>`;
  }
  if (write.pending) {
    return html`<${Dialog} title="New API key" step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title="New API key" step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${submit} novalidate>
      <${Field} label="Purpose" error=${tried && !description.trim() && "A purpose is required: it says what stops when the key is revoked."}>
        ${(given) => html`<input ...${given} dir="auto" maxlength="100" autocomplete="off" data-first value=${description} onInput=${(event) => setDescription(event.target.value)} />`}<//>
      <fieldset><legend>Scopes</legend>${Object.entries(SCOPES).filter(([scope]) => own.includes(scope)).map(([scope, label]) => html`
        <label class="check" key=${scope}><input type="checkbox" checked=${scopes.includes(scope)} onChange=${() => toggle(scope)} /> <span>${label} <code>${scope}</code></span></label>`)}
        ${tried && !scopes.length && html`<p class="error">Choose at least one.</p>`}</fieldset>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Cancel" onBack=${onClose} busy=${write.busy} doing="Creating…" act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Create the key"} />
    </form><//>`;
}

function Revoke({ apiKey, onClose, onDone }) {
  const act = `revoke:${apiKey.id}`;
  const write = useWrite(act);
  useOutcome(act, (done) => done && onDone());
  const confirm = async (event) => {
    event.preventDefault();
    if (write.busy) return;
    const about = { kind: "revoked", id: apiKey.id, once: true, text: `Revoke the key “${isolated(apiKey.description)}”` };
    const made = await write.send(`/admin/keys/${encodeURIComponent(apiKey.id)}`, undefined, about, "DELETE");
    if (!made) return;
    say(`The key “${isolated(apiKey.description)}” is revoked.`);
    onDone();
  };
  const title = "Revoke this key?";
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}><form class="stack" onSubmit=${confirm}>
    <p><b><bdi>${apiKey.description}</bdi></b> stops working at once. This cannot be undone. Last used: <${Ago} at=${apiKey.lastUsedAt} />.</p>
    <${Refused} failure=${write.failure} />
    <${Buttons} back="Keep it" onBack=${onClose} busy=${write.busy} doing="Revoking…" danger=${true} first=${true} act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Revoke"} /></form><//>`;
}
return { Keys: Keys };
})();
const $login = (() => {
const { html, useEffect, useRef, useState } = $html;
const { call, keepSession } = $api;
const { Dialog } = $dialog;
const { BASE } = $router;
const { Field } = $ui;

function Form({ onIn, name: known = "" }) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const [wait, setWait] = useState(0);
  const form = useRef();
  useEffect(() => form.current.elements[known ? "password" : "name"].focus(), []);
  useEffect(() => {
    if (!wait) return undefined;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    const body = Object.fromEntries(new FormData(form.current));
    setBusy(true);
    setFailure(null);
    try {
      onIn(keepSession(await call("POST", "/dashboard/session", { body })));
    } catch (error) {
      setFailure(error);
      setWait(error.retryAfter || 0);
      setBusy(false);
      form.current.elements.password.select();
    }
  };
  return html`<form class="stack" ref=${form} onSubmit=${submit} method="post">
    <${Field} label="Name">${(given) => html`<input ...${given} name="name" autocomplete="username" autocapitalize="none" spellcheck=${false} maxlength="64" required defaultValue=${known} />`}<//>
    <${Field} label="Password">${(given) => html`<input ...${given} name="password" type="password" data-first autocomplete="current-password" maxlength="200" required />`}<//>
    ${failure && html`<p class="error" role="alert">${wait
      ? `${failure.message} You can try again in ${wait} ${wait === 1 ? "second" : "seconds"}.`
      : failure.retryAfter ? "You can try again now." : failure.message}</p>`}
    <button class="primary" disabled=${wait > 0} aria-disabled=${busy ? "true" : undefined}>${busy ? "Logging in…" : "Log in"}</button>
  </form>`;
}

const WELCOME = { loggedOut: "You are logged out.", start: "For operators of this gateway.", page: "Log in to open the page that you asked for." };

function LoginPage({ onIn, left }) {
  useEffect(() => { document.title = "Log in · Pluct"; }, []);
  return html`<main class="login"><div class="card">
    <h1><span class="mark" aria-hidden="true">P</span> Pluct dashboard</h1>
    <p class="quiet">${WELCOME[left ? "loggedOut" : location.pathname === BASE ? "start" : "page"]}</p>
    <${Form} onIn=${onIn} />
  </div></main>`;
}

function LoginAgain({ name, elsewhere, onIn }) {
  return html`<${Dialog} title=${elsewhere ? "You logged out in another tab" : "Your session has ended"} cls="cover">
    <p>Log in again to continue where you were. What you typed is kept.${elsewhere ? "" : " A change that was just refused was not carried out; no credit moved."}</p>
    <${Form} onIn=${onIn} name=${name} />
  <//>`;
}
return { LoginPage: LoginPage, LoginAgain: LoginAgain };
})();
const $notfound = (() => {
const { html } = $html;
const { href } = $router;
const { Empty, Head } = $ui;

function NotFound() {
  return html`<${Head} title="There is no such page" />
    <${Empty} title="No page has this address">Check the address, <a href=${href()}>go to the overview</a> or <a href=${href("users")}>search for a user</a>.<//>`;
}
return { NotFound: NotFound };
})();
const $vendor_uplot = (() => {
/*! https://github.com/leeoniya/uPlot (v1.6.32) */
var uPlot=function(){"use strict";const l="u-off",e="u-label",t="width",n="height",i="top",o="bottom",s="left",r="right",u="#000",a=u+"0",f="mousemove",c="mousedown",h="mouseup",d="mouseenter",p="mouseleave",m="dblclick",g="change",x="dppxchange",w="--",_="undefined"!=typeof window,b=_?document:null,v=_?window:null,k=_?navigator:null;let y,M;function S(l,e){if(null!=e){let t=l.classList;!t.contains(e)&&t.add(e)}}function T(l,e){let t=l.classList;t.contains(e)&&t.remove(e)}function E(l,e,t){l.style[e]=t+"px"}function z(l,e,t,n){let i=b.createElement(l);return null!=e&&S(i,e),null!=t&&t.insertBefore(i,n),i}function D(l,e){return z("div",l,e)}const P=new WeakMap;function A(e,t,n,i,o){let s="translate("+t+"px,"+n+"px)";s!=P.get(e)&&(e.style.transform=s,P.set(e,s),0>t||0>n||t>i||n>o?S(e,l):T(e,l))}const W=new WeakMap;function Y(l,e,t){let n=e+t;n!=W.get(l)&&(W.set(l,n),l.style.background=e,l.style.borderColor=t)}const C=new WeakMap;function H(l,e,t,n){let i=e+""+t;i!=C.get(l)&&(C.set(l,i),l.style.height=t+"px",l.style.width=e+"px",l.style.marginLeft=n?-e/2+"px":0,l.style.marginTop=n?-t/2+"px":0)}const F={passive:!0},R={...F,capture:!0};function G(l,e,t,n){e.addEventListener(l,t,n?R:F)}function I(l,e,t){e.removeEventListener(l,t,F)}function L(l,e,t,n){let i;t=t||0;let o=2147483647>=(n=n||e.length-1);for(;n-t>1;)i=o?t+n>>1:sl((t+n)/2),l>e[i]?t=i:n=i;return l-e[t]>e[n]-l?n:t}function O(l){return(e,t,n)=>{let i=-1,o=-1;for(let o=t;n>=o;o++)if(l(e[o])){i=o;break}for(let i=n;i>=t;i--)if(l(e[i])){o=i;break}return[i,o]}}_&&function l(){let e=devicePixelRatio;y!=e&&(y=e,M&&I(g,M,l),M=matchMedia(`(min-resolution: ${y-.001}dppx) and (max-resolution: ${y+.001}dppx)`),G(g,M,l),v.dispatchEvent(new CustomEvent(x)))}();const N=l=>null!=l,j=l=>null!=l&&l>0,U=O(N),V=O(j);function B(l,e,t,n){let i=hl(l),o=hl(e);l==e&&(-1==i?(l*=t,e/=t):(l/=t,e*=t));let s=10==t?dl:pl,r=1==o?ul:sl,u=(1==i?sl:ul)(s(ol(l))),a=r(s(ol(e))),f=cl(t,u),c=cl(t,a);return 10==t&&(0>u&&(f=Al(f,-u)),0>a&&(c=Al(c,-a))),n||2==t?(l=f*i,e=c*o):(l=Pl(l,f),e=Dl(e,c)),[l,e]}function $(l,e,t,n){let i=B(l,e,t,n);return 0==l&&(i[0]=0),0==e&&(i[1]=0),i}const J=.1,q={mode:3,pad:J},K={pad:0,soft:null,mode:0},X={min:K,max:K};function Z(l,e,t,n){return Ol(t)?ll(l,e,t):(K.pad=t,K.soft=n?0:null,K.mode=n?3:0,ll(l,e,X))}function Q(l,e){return null==l?e:l}function ll(l,e,t){let n=t.min,i=t.max,o=Q(n.pad,0),s=Q(i.pad,0),r=Q(n.hard,-gl),u=Q(i.hard,gl),a=Q(n.soft,gl),f=Q(i.soft,-gl),c=Q(n.mode,0),h=Q(i.mode,0),d=e-l,p=dl(d),m=fl(ol(l),ol(e)),g=dl(m),x=ol(g-p);(1e-24>d||x>10)&&(d=0,0!=l&&0!=e||(d=1e-24,2==c&&a!=gl&&(o=0),2==h&&f!=-gl&&(s=0)));let w=d||m||1e3,_=dl(w),b=cl(10,sl(_)),v=Al(Pl(l-w*(0==d?0==l?.1:1:o),b/10),24),k=a>l||1!=c&&(3!=c||v>a)&&(2!=c||a>v)?gl:a,y=fl(r,k>v&&l>=k?k:al(k,v)),M=Al(Dl(e+w*(0==d?0==e?.1:1:s),b/10),24),S=e>f||1!=h&&(3!=h||f>M)&&(2!=h||M>f)?-gl:f,T=al(u,M>S&&S>=e?S:fl(S,M));return y==T&&0==y&&(T=100),[y,T]}const el=new Intl.NumberFormat(_?k.language:"en-US"),tl=l=>el.format(l),nl=Math,il=nl.PI,ol=nl.abs,sl=nl.floor,rl=nl.round,ul=nl.ceil,al=nl.min,fl=nl.max,cl=nl.pow,hl=nl.sign,dl=nl.log10,pl=nl.log2,ml=(l,e=1)=>nl.asinh(l/e),gl=1/0;function xl(l){return 1+(0|dl((l^l>>31)-(l>>31)))}function wl(l,e,t){return al(fl(l,e),t)}function _l(l){return"function"==typeof l}function bl(l){return _l(l)?l:()=>l}const vl=l=>l,kl=(l,e)=>e,yl=()=>null,Ml=()=>!0,Sl=(l,e)=>l==e,Tl=/\.\d*?(?=9{6,}|0{6,})/gm,El=l=>{if(Il(l)||Wl.has(l))return l;const e=""+l,t=e.match(Tl);if(null==t)return l;let n=t[0].length-1;if(-1!=e.indexOf("e-")){let[l,t]=e.split("e");return+`${El(l)}e${t}`}return Al(l,n)};function zl(l,e){return El(Al(El(l/e))*e)}function Dl(l,e){return El(ul(El(l/e))*e)}function Pl(l,e){return El(sl(El(l/e))*e)}function Al(l,e=0){if(Il(l))return l;let t=10**e;return rl(l*t*(1+Number.EPSILON))/t}const Wl=new Map;function Yl(l){return((""+l).split(".")[1]||"").length}function Cl(l,e,t,n){let i=[],o=n.map(Yl);for(let s=e;t>s;s++){let e=ol(s),t=Al(cl(l,s),e);for(let r=0;n.length>r;r++){let u=10==l?+`${n[r]}e${s}`:n[r]*t,a=(0>s?e:0)+(o[r]>s?o[r]:0),f=10==l?u:Al(u,a);i.push(f),Wl.set(f,a)}}return i}const Hl={},Fl=[],Rl=[null,null],Gl=Array.isArray,Il=Number.isInteger;function Ll(l){return"string"==typeof l}function Ol(l){let e=!1;if(null!=l){let t=l.constructor;e=null==t||t==Object}return e}function Nl(l){return null!=l&&"object"==typeof l}const jl=Object.getPrototypeOf(Uint8Array),Ul="__proto__";function Vl(l,e=Ol){let t;if(Gl(l)){let n=l.find((l=>null!=l));if(Gl(n)||e(n)){t=Array(l.length);for(let n=0;l.length>n;n++)t[n]=Vl(l[n],e)}else t=l.slice()}else if(l instanceof jl)t=l.slice();else if(e(l)){t={};for(let n in l)n!=Ul&&(t[n]=Vl(l[n],e))}else t=l;return t}function Bl(l){let e=arguments;for(let t=1;e.length>t;t++){let n=e[t];for(let e in n)e!=Ul&&(Ol(l[e])?Bl(l[e],Vl(n[e])):l[e]=Vl(n[e]))}return l}function $l(l,e,t){for(let n,i=0,o=-1;e.length>i;i++){let s=e[i];if(s>o){for(n=s-1;n>=0&&null==l[n];)l[n--]=null;for(n=s+1;t>n&&null==l[n];)l[o=n++]=null}}}const Jl="undefined"==typeof queueMicrotask?l=>Promise.resolve().then(l):queueMicrotask,ql=["January","February","March","April","May","June","July","August","September","October","November","December"],Kl=["Sunday","Monday","Tuesday","Wednesday","Thursday","Friday","Saturday"];function Xl(l){return l.slice(0,3)}const Zl=Kl.map(Xl),Ql=ql.map(Xl),le={MMMM:ql,MMM:Ql,WWWW:Kl,WWW:Zl};function ee(l){return(10>l?"0":"")+l}const te={YYYY:l=>l.getFullYear(),YY:l=>(l.getFullYear()+"").slice(2),MMMM:(l,e)=>e.MMMM[l.getMonth()],MMM:(l,e)=>e.MMM[l.getMonth()],MM:l=>ee(l.getMonth()+1),M:l=>l.getMonth()+1,DD:l=>ee(l.getDate()),D:l=>l.getDate(),WWWW:(l,e)=>e.WWWW[l.getDay()],WWW:(l,e)=>e.WWW[l.getDay()],HH:l=>ee(l.getHours()),H:l=>l.getHours(),h:l=>{let e=l.getHours();return 0==e?12:e>12?e-12:e},AA:l=>12>l.getHours()?"AM":"PM",aa:l=>12>l.getHours()?"am":"pm",a:l=>12>l.getHours()?"a":"p",mm:l=>ee(l.getMinutes()),m:l=>l.getMinutes(),ss:l=>ee(l.getSeconds()),s:l=>l.getSeconds(),fff:l=>function(l){return(10>l?"00":100>l?"0":"")+l}(l.getMilliseconds())};function ne(l,e){e=e||le;let t,n=[],i=/\{([a-z]+)\}|[^{]+/gi;for(;t=i.exec(l);)n.push("{"==t[0][0]?te[t[1]]:t[0]);return l=>{let t="";for(let i=0;n.length>i;i++)t+="string"==typeof n[i]?n[i]:n[i](l,e);return t}}const ie=(new Intl.DateTimeFormat).resolvedOptions().timeZone,oe=l=>l%1==0,se=[1,2,2.5,5],re=Cl(10,-32,0,se),ue=Cl(10,0,32,se),ae=ue.filter(oe),fe=re.concat(ue),ce="{YYYY}",he="\n"+ce,de="{M}/{D}",pe="\n"+de,me=pe+"/{YY}",ge="{aa}",xe="{h}:{mm}"+ge,we="\n"+xe,_e=":{ss}",be=null;function ve(l){let e=1e3*l,t=60*e,n=60*t,i=24*n,o=30*i,s=365*i;return[(1==l?Cl(10,0,3,se).filter(oe):Cl(10,-3,0,se)).concat([e,5*e,10*e,15*e,30*e,t,5*t,10*t,15*t,30*t,n,2*n,3*n,4*n,6*n,8*n,12*n,i,2*i,3*i,4*i,5*i,6*i,7*i,8*i,9*i,10*i,15*i,o,2*o,3*o,4*o,6*o,s,2*s,5*s,10*s,25*s,50*s,100*s]),[[s,ce,be,be,be,be,be,be,1],[28*i,"{MMM}",he,be,be,be,be,be,1],[i,de,he,be,be,be,be,be,1],[n,"{h}"+ge,me,be,pe,be,be,be,1],[t,xe,me,be,pe,be,be,be,1],[e,_e,me+" "+xe,be,pe+" "+xe,be,we,be,1],[l,_e+".{fff}",me+" "+xe,be,pe+" "+xe,be,we,be,1]],function(e){return(r,u,a,f,c,h)=>{let d=[],p=c>=s,m=c>=o&&s>c,g=e(a),x=Al(g*l,3),w=Pe(g.getFullYear(),p?0:g.getMonth(),m||p?1:g.getDate()),_=Al(w*l,3);if(m||p){let t=m?c/o:0,n=p?c/s:0,i=x==_?x:Al(Pe(w.getFullYear()+n,w.getMonth()+t,1)*l,3),r=new Date(rl(i/l)),u=r.getFullYear(),a=r.getMonth();for(let o=0;f>=i;o++){let s=Pe(u+n*o,a+t*o,1),r=s-e(Al(s*l,3));i=Al((+s+r)*l,3),i>f||d.push(i)}}else{let o=i>c?c:i,s=_+(sl(a)-sl(x))+Dl(x-_,o);d.push(s);let p=e(s),m=p.getHours()+p.getMinutes()/t+p.getSeconds()/n,g=c/n,w=h/r.axes[u]._space;for(;s=Al(s+c,1==l?0:3),f>=s;)if(g>1){let l=sl(Al(m+g,6))%24,t=e(s).getHours()-l;t>1&&(t=-1),s-=t*n,m=(m+g)%24,.7>Al((s-d[d.length-1])/c,3)*w||d.push(s)}else d.push(s)}return d}}]}const[ke,ye,Me]=ve(1),[Se,Te,Ee]=ve(.001);function ze(l,e){return l.map((l=>l.map(((t,n)=>0==n||8==n||null==t?t:e(1==n||0==l[8]?t:l[1]+t)))))}function De(l,e){return(t,n,i,o,s)=>{let r,u,a,f,c,h,d=e.find((l=>s>=l[0]))||e[e.length-1];return n.map((e=>{let t=l(e),n=t.getFullYear(),i=t.getMonth(),o=t.getDate(),s=t.getHours(),p=t.getMinutes(),m=t.getSeconds(),g=n!=r&&d[2]||i!=u&&d[3]||o!=a&&d[4]||s!=f&&d[5]||p!=c&&d[6]||m!=h&&d[7]||d[1];return r=n,u=i,a=o,f=s,c=p,h=m,g(t)}))}}function Pe(l,e,t){return new Date(l,e,t)}function Ae(l,e){return e(l)}function We(l,e){return(t,n,i,o)=>null==o?w:e(l(n))}Cl(2,-53,53,[1]);const Ye={show:!0,live:!0,isolate:!1,mount:()=>{},markers:{show:!0,width:2,stroke:function(l,e){let t=l.series[e];return t.width?t.stroke(l,e):t.points.width?t.points.stroke(l,e):null},fill:function(l,e){return l.series[e].fill(l,e)},dash:"solid"},idx:null,idxs:null,values:[]},Ce=[0,0];function He(l,e,t,n=!0){return l=>{0==l.button&&(!n||l.target==e)&&t(l)}}function Fe(l,e,t,n=!0){return l=>{(!n||l.target==e)&&t(l)}}const Re={show:!0,x:!0,y:!0,lock:!1,move:function(l,e,t){return Ce[0]=e,Ce[1]=t,Ce},points:{one:!1,show:function(l,e){let i=l.cursor.points,o=D(),s=i.size(l,e);E(o,t,s),E(o,n,s);let r=s/-2;E(o,"marginLeft",r),E(o,"marginTop",r);let u=i.width(l,e,s);return u&&E(o,"borderWidth",u),o},size:function(l,e){return l.series[e].points.size},width:0,stroke:function(l,e){let t=l.series[e].points;return t._stroke||t._fill},fill:function(l,e){let t=l.series[e].points;return t._fill||t._stroke}},bind:{mousedown:He,mouseup:He,click:He,dblclick:He,mousemove:Fe,mouseleave:Fe,mouseenter:Fe},drag:{setScale:!0,x:!0,y:!1,dist:0,uni:null,click:(l,e)=>{e.stopPropagation(),e.stopImmediatePropagation()},_x:!1,_y:!1},focus:{dist:(l,e,t,n,i)=>n-i,prox:-1,bias:0},hover:{skip:[void 0],prox:null,bias:0},left:-10,top:-10,idx:null,dataIdx:null,idxs:null,event:null},Ge={show:!0,stroke:"rgba(0,0,0,0.07)",width:2},Ie=Bl({},Ge,{filter:kl}),Le=Bl({},Ie,{size:10}),Oe=Bl({},Ge,{show:!1}),Ne='12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans", sans-serif, "Apple Color Emoji", "Segoe UI Emoji", "Segoe UI Symbol", "Noto Color Emoji"',je="bold "+Ne,Ue={show:!0,scale:"x",stroke:u,space:50,gap:5,alignTo:1,size:50,labelGap:0,labelSize:30,labelFont:je,side:2,grid:Ie,ticks:Le,border:Oe,font:Ne,lineGap:1.5,rotate:0},Ve={show:!0,scale:"x",auto:!1,sorted:1,min:gl,max:-gl,idxs:[]};function Be(l,e){return e.map((l=>null==l?"":tl(l)))}function $e(l,e,t,n,i,o,s){let r=[],u=Wl.get(i)||0;for(let l=t=s?t:Al(Dl(t,i),u);n>=l;l=Al(l+i,u))r.push(Object.is(l,-0)?0:l);return r}function Je(l,e,t,n,i){const o=[],s=l.scales[l.axes[e].scale].log,r=sl((10==s?dl:pl)(t));i=cl(s,r),10==s&&(i=fe[L(i,fe)]);let u=t,a=i*s;10==s&&(a=fe[L(a,fe)]);do{o.push(u),u+=i,10!=s||Wl.has(u)||(u=Al(u,Wl.get(i))),a>u||(a=(i=u)*s,10==s&&(a=fe[L(a,fe)]))}while(n>=u);return o}function qe(l,e,t,n,i){let o=l.scales[l.axes[e].scale].asinh,s=n>o?Je(l,e,fl(o,t),n,i):[o],r=0>n||t>0?[]:[0];return(-o>t?Je(l,e,fl(o,-n),-t,i):[o]).reverse().map((l=>-l)).concat(r,s)}const Ke=/./,Xe=/[12357]/,Ze=/[125]/,Qe=/1/,lt=(l,e,t,n)=>l.map(((l,i)=>4==e&&0==l||i%n==0&&t.test(l.toExponential()[0>l?1:0])?l:null));function et(l,e,t){let n=l.axes[t],i=n.scale,o=l.scales[i],s=l.valToPos,r=n._space,u=s(10,i),a=s(9,i)-u<r?s(7,i)-u<r?s(5,i)-u<r?Qe:Ze:Xe:Ke;if(a==Qe){let l=ol(s(1,i)-u);if(r>l)return lt(e.slice().reverse(),o.distr,a,ul(r/l)).reverse()}return lt(e,o.distr,a,1)}function tt(l,e,t){let n=l.axes[t],i=n.scale,o=n._space,s=l.valToPos,r=ol(s(1,i)-s(2,i));return o>r?lt(e.slice().reverse(),3,Ke,ul(o/r)).reverse():e}function nt(l,e,t,n){return null==n?w:null==e?"":tl(e)}const it={show:!0,scale:"y",stroke:u,space:30,gap:5,alignTo:1,size:50,labelGap:0,labelSize:30,labelFont:je,side:3,grid:Ie,ticks:Le,border:Oe,font:Ne,lineGap:1.5,rotate:0},ot={scale:null,auto:!0,sorted:0,min:gl,max:-gl},st=(l,e,t,n,i)=>i,rt={show:!0,auto:!0,sorted:0,gaps:st,alpha:1,facets:[Bl({},ot,{scale:"x"}),Bl({},ot,{scale:"y"})]},ut={scale:"y",auto:!0,sorted:0,show:!0,spanGaps:!1,gaps:st,alpha:1,points:{show:function(l,e){let{scale:t,idxs:n}=l.series[0],i=l._data[0],o=l.valToPos(i[n[0]],t,!0),s=l.valToPos(i[n[1]],t,!0);return ol(s-o)/(l.series[e].points.space*y)>=n[1]-n[0]},filter:null},values:null,min:gl,max:-gl,idxs:[],path:null,clip:null};function at(l,e,t){return t/10}const ft={time:!0,auto:!0,distr:1,log:10,asinh:1,min:null,max:null,dir:1,ori:0},ct=Bl({},ft,{time:!1,ori:1}),ht={};function dt(l){let e=ht[l];return e||(e={key:l,plots:[],sub(l){e.plots.push(l)},unsub(l){e.plots=e.plots.filter((e=>e!=l))},pub(l,t,n,i,o,s,r){for(let u=0;e.plots.length>u;u++)e.plots[u]!=t&&e.plots[u].pub(l,t,n,i,o,s,r)}},null!=l&&(ht[l]=e)),e}function pt(l,e,t){const n=l.mode,i=l.series[e],o=2==n?l._data[e]:l._data,s=l.scales,r=l.bbox;let u=o[0],a=2==n?o[1]:o[e],f=2==n?s[i.facets[0].scale]:s[l.series[0].scale],c=2==n?s[i.facets[1].scale]:s[i.scale],h=r.left,d=r.top,p=r.width,m=r.height,g=l.valToPosH,x=l.valToPosV;return 0==f.ori?t(i,u,a,f,c,g,x,h,d,p,m,kt,Mt,Tt,zt,Pt):t(i,u,a,f,c,x,g,d,h,m,p,yt,St,Et,Dt,At)}function mt(l,e){let t=0,n=0,i=Q(l.bands,Fl);for(let l=0;i.length>l;l++){let o=i[l];o.series[0]==e?t=o.dir:o.series[1]==e&&(n|=1==o.dir?1:2)}return[t,1==n?-1:2==n?1:3==n?2:0]}function gt(l,e,t,n,i){let o=l.series[e],s=l.scales[2==l.mode?o.facets[1].scale:o.scale];return-1==i?s.min:1==i?s.max:3==s.distr?1==s.dir?s.min:s.max:0}function xt(l,e,t,n,i,o){return pt(l,e,((l,e,s,r,u,a,f,c,h,d,p)=>{let m=l.pxRound;const g=0==r.ori?Mt:St;let x,w;1==r.dir*(0==r.ori?1:-1)?(x=t,w=n):(x=n,w=t);let _=m(a(e[x],r,d,c)),b=m(f(s[x],u,p,h)),v=m(a(e[w],r,d,c)),k=m(f(1==o?u.max:u.min,u,p,h)),y=new Path2D(i);return g(y,v,k),g(y,_,k),g(y,_,b),y}))}function wt(l,e,t,n,i,o){let s=null;if(l.length>0){s=new Path2D;const r=0==e?Tt:Et;let u=t;for(let e=0;l.length>e;e++){let t=l[e];if(t[1]>t[0]){let l=t[0]-u;l>0&&r(s,u,n,l,n+o),u=t[1]}}let a=t+i-u,f=10;a>0&&r(s,u,n-f/2,a,n+o+f)}return s}function _t(l,e,t,n,i,o,s){let r=[],u=l.length;for(let a=1==i?t:n;a>=t&&n>=a;a+=i)if(null===e[a]){let f=a,c=a;if(1==i)for(;++a<=n&&null===e[a];)c=a;else for(;--a>=t&&null===e[a];)c=a;let h=o(l[f]),d=c==f?h:o(l[c]),p=f-i;h=s>0||0>p||p>=u?h:o(l[p]);let m=c+i;d=0>s||0>m||m>=u?d:o(l[m]),h>d||r.push([h,d])}return r}function bt(l){return 0==l?vl:1==l?rl:e=>zl(e,l)}function vt(l){let e=0==l?kt:yt,t=0==l?(l,e,t,n,i,o)=>{l.arcTo(e,t,n,i,o)}:(l,e,t,n,i,o)=>{l.arcTo(t,e,i,n,o)},n=0==l?(l,e,t,n,i)=>{l.rect(e,t,n,i)}:(l,e,t,n,i)=>{l.rect(t,e,i,n)};return(l,i,o,s,r,u=0,a=0)=>{0==u&&0==a?n(l,i,o,s,r):(u=al(u,s/2,r/2),a=al(a,s/2,r/2),e(l,i+u,o),t(l,i+s,o,i+s,o+r,u),t(l,i+s,o+r,i,o+r,a),t(l,i,o+r,i,o,a),t(l,i,o,i+s,o,u),l.closePath())}}const kt=(l,e,t)=>{l.moveTo(e,t)},yt=(l,e,t)=>{l.moveTo(t,e)},Mt=(l,e,t)=>{l.lineTo(e,t)},St=(l,e,t)=>{l.lineTo(t,e)},Tt=vt(0),Et=vt(1),zt=(l,e,t,n,i,o)=>{l.arc(e,t,n,i,o)},Dt=(l,e,t,n,i,o)=>{l.arc(t,e,n,i,o)},Pt=(l,e,t,n,i,o,s)=>{l.bezierCurveTo(e,t,n,i,o,s)},At=(l,e,t,n,i,o,s)=>{l.bezierCurveTo(t,e,i,n,s,o)};function Wt(){return(l,e,t,n,i)=>pt(l,e,((e,o,s,r,u,a,f,c,h,d,p)=>{let m,g,{pxRound:x,points:w}=e;0==r.ori?(m=kt,g=zt):(m=yt,g=Dt);const _=Al(w.width*y,3);let b=(w.size-w.width)/2*y,v=Al(2*b,3),k=new Path2D,M=new Path2D,{left:S,top:T,width:E,height:z}=l.bbox;Tt(M,S-v,T-v,E+2*v,z+2*v);const D=l=>{if(null!=s[l]){let e=x(a(o[l],r,d,c)),t=x(f(s[l],u,p,h));m(k,e+b,t),g(k,e,t,b,0,2*il)}};if(i)i.forEach(D);else for(let l=t;n>=l;l++)D(l);return{stroke:_>0?k:null,fill:k,clip:M,flags:3}}))}function Yt(l){return(e,t,n,i,o,s)=>{n!=i&&(o!=n&&s!=n&&l(e,t,n),o!=i&&s!=i&&l(e,t,i),l(e,t,s))}}const Ct=Yt(Mt),Ht=Yt(St);function Ft(l){const e=Q(l?.alignGaps,0);return(l,t,n,i)=>pt(l,t,((o,s,r,u,a,f,c,h,d,p,m)=>{[n,i]=U(r,n,i);let g,x,w=o.pxRound,_=l=>w(f(l,u,p,h)),b=l=>w(c(l,a,m,d));0==u.ori?(g=Mt,x=Ct):(g=St,x=Ht);const v=u.dir*(0==u.ori?1:-1),k={stroke:new Path2D,fill:null,clip:null,band:null,gaps:null,flags:1},y=k.stroke;let M=!1;if(i-n<4*p)for(let l=1==v?n:i;l>=n&&i>=l;l+=v){let e=r[l];null===e?M=!0:null!=e&&g(y,_(s[l]),b(e))}else{let e,t,o,a=e=>l.posToVal(e,u.key,!0),f=null,c=null,h=_(s[1==v?n:i]),d=_(s[n]),p=_(s[i]),m=a(1==v?d+1:p-1);for(let l=1==v?n:i;l>=n&&i>=l;l+=v){let n=s[l],i=(1==v?m>n:n>m)?h:_(n),o=r[l];i==h?null!=o?(t=o,null==f?(g(y,i,b(t)),e=f=c=t):f>t?f=t:t>c&&(c=t)):null===o&&(M=!0):(null!=f&&x(y,h,b(f),b(c),b(e),b(t)),null!=o?(t=o,g(y,i,b(t)),f=c=e=t):(f=c=null,null===o&&(M=!0)),h=i,m=a(h+v))}null!=f&&f!=c&&o!=h&&x(y,h,b(f),b(c),b(e),b(t))}let[S,T]=mt(l,t);if(null!=o.fill||0!=S){let e=k.fill=new Path2D(y),r=b(o.fillTo(l,t,o.min,o.max,S)),u=_(s[n]),a=_(s[i]);-1==v&&([a,u]=[u,a]),g(e,a,r),g(e,u,r)}if(!o.spanGaps){let a=[];M&&a.push(..._t(s,r,n,i,v,_,e)),k.gaps=a=o.gaps(l,t,n,i,a),k.clip=wt(a,u.ori,h,d,p,m)}return 0!=T&&(k.band=2==T?[xt(l,t,n,i,y,-1),xt(l,t,n,i,y,1)]:xt(l,t,n,i,y,T)),k}))}function Rt(l,e,t,n,i,o,s=gl){if(l.length>1){let r=null;for(let u=0,a=1/0;l.length>u;u++)if(void 0!==e[u]){if(null!=r){let e=ol(l[u]-l[r]);a>e&&(a=e,s=ol(t(l[u],n,i,o)-t(l[r],n,i,o)))}r=u}}return s}function Gt(l,e,t,n,i){const o=l.length;if(2>o)return null;const s=new Path2D;if(t(s,l[0],e[0]),2==o)n(s,l[1],e[1]);else{let t=Array(o),n=Array(o-1),r=Array(o-1),u=Array(o-1);for(let t=0;o-1>t;t++)r[t]=e[t+1]-e[t],u[t]=l[t+1]-l[t],n[t]=r[t]/u[t];t[0]=n[0];for(let l=1;o-1>l;l++)0===n[l]||0===n[l-1]||n[l-1]>0!=n[l]>0?t[l]=0:(t[l]=3*(u[l-1]+u[l])/((2*u[l]+u[l-1])/n[l-1]+(u[l]+2*u[l-1])/n[l]),isFinite(t[l])||(t[l]=0));t[o-1]=n[o-2];for(let n=0;o-1>n;n++)i(s,l[n]+u[n]/3,e[n]+t[n]*u[n]/3,l[n+1]-u[n]/3,e[n+1]-t[n+1]*u[n]/3,l[n+1],e[n+1])}return s}const It=new Set;function Lt(){for(let l of It)l.syncRect(!0)}_&&(G("resize",v,Lt),G("scroll",v,Lt,!0),G(x,v,(()=>{en.pxRatio=y})));const Ot=Ft(),Nt=Wt();function jt(l,e,t,n){return(n?[l[0],l[1]].concat(l.slice(2)):[l[0]].concat(l.slice(1))).map(((l,n)=>Ut(l,n,e,t)))}function Ut(l,e,t,n){return Bl({},0==e?t:n,l)}function Vt(l,e,t){return null==e?Rl:[e,t]}const Bt=Vt;function $t(l,e,t){return null==e?Rl:Z(e,t,J,!0)}function Jt(l,e,t,n){return null==e?Rl:B(e,t,l.scales[n].log,!1)}const qt=Jt;function Kt(l,e,t,n){return null==e?Rl:$(e,t,l.scales[n].log,!1)}const Xt=Kt;function Zt(l,e,t,n,i){let o=fl(xl(l),xl(e)),s=e-l,r=L(i/n*s,t);do{let l=t[r],e=n*l/s;if(e>=i&&17>=o+(5>l?Wl.get(l):0))return[l,e]}while(++r<t.length);return[0,0]}function Qt(l){let e,t;return[l=l.replace(/(\d+)px/,((l,n)=>(e=rl((t=+n)*y))+"px")),e,t]}function ln(l){l.show&&[l.font,l.labelFont].forEach((l=>{let e=Al(l[2]*y,1);l[0]=l[0].replace(/[0-9.]+px/,e+"px"),l[1]=e}))}function en(u,g,_){const k={mode:Q(u.mode,1)},M=k.mode;function P(l,e,t,n){let i=e.valToPct(l);return n+t*(-1==e.dir?1-i:i)}function W(l,e,t,n){let i=e.valToPct(l);return n+t*(-1==e.dir?i:1-i)}function C(l,e,t,n){return 0==e.ori?P(l,e,t,n):W(l,e,t,n)}k.valToPosH=P,k.valToPosV=W;let F=!1;k.status=0;const R=k.root=D("uplot");null!=u.id&&(R.id=u.id),S(R,u.class),u.title&&(D("u-title",R).textContent=u.title);const O=z("canvas"),K=k.ctx=O.getContext("2d"),X=D("u-wrap",R);G("click",X,(l=>{l.target===el&&(Nn!=Gn||jn!=In)&&Zn.click(k,l)}),!0);const ll=k.under=D("u-under",X);X.appendChild(O);const el=k.over=D("u-over",X),tl=+Q((u=Vl(u)).pxAlign,1),sl=bt(tl);(u.plugins||[]).forEach((l=>{l.opts&&(u=l.opts(k,u)||u)}));const hl=u.ms||.001,pl=k.series=1==M?jt(u.series||[],Ve,ut,!1):function(l,e){return l.map(((l,t)=>0==t?{}:Bl({},e,l)))}(u.series||[null],rt),xl=k.axes=jt(u.axes||[],Ue,it,!0),vl=k.scales={},Tl=k.bands=u.bands||[];Tl.forEach((l=>{l.fill=bl(l.fill||null),l.dir=Q(l.dir,-1)}));const El=2==M?pl[1].facets[0].scale:pl[0].scale,Dl={axes:function(){for(let l=0;xl.length>l;l++){let e=xl[l];if(!e.show||!e._show)continue;let t,n,u=e.side,a=u%2,f=e.stroke(k,l),c=0==u||3==u?-1:1,[h,d]=e._found;if(null!=e.label){let s=rl((e._lpos+e.labelGap*c)*y);_n(e.labelFont[0],f,"center",2==u?i:o),K.save(),1==a?(t=n=0,K.translate(s,rl(lt+st/2)),K.rotate((3==u?-il:il)/2)):(t=rl(Qe+ot/2),n=s);let r=_l(e.label)?e.label(k,l,h,d):e.label;K.fillText(r,t,n),K.restore()}if(0==d)continue;let p=vl[e.scale],m=0==a?ot:st,g=0==a?Qe:lt,x=e._splits,w=2==p.distr?x.map((l=>pn[l])):x,_=2==p.distr?pn[x[1]]-pn[x[0]]:h,b=e.ticks,v=e.border,M=b.show?b.size:0,S=rl(M*y),T=rl((2==e.alignTo?e._size-M-e.gap:e.gap)*y),E=e._rotate*-il/180,z=sl(e._pos*y),D=z+(S+T)*c;n=0==a?D:0,t=1==a?D:0,_n(e.font[0],f,1==e.align?s:2==e.align?r:E>0?s:0>E?r:0==a?"center":3==u?r:s,E||1==a?"middle":2==u?i:o);let P=e.font[1]*e.lineGap,A=x.map((l=>sl(C(l,p,m,g)))),W=e._values;for(let l=0;W.length>l;l++){let e=W[l];if(null!=e){0==a?t=A[l]:n=A[l],e=""+e;let i=-1==e.indexOf("\n")?[e]:e.split(/\n/gm);for(let l=0;i.length>l;l++){let e=i[l];E?(K.save(),K.translate(t,n+l*P),K.rotate(E),K.fillText(e,0,0),K.restore()):K.fillText(e,t,n+l*P)}}}b.show&&zn(A,b.filter(k,w,l,d,_),a,u,z,S,Al(b.width*y,3),b.stroke(k,l),b.dash,b.cap);let Y=e.grid;Y.show&&zn(A,Y.filter(k,w,l,d,_),a,0==a?2:1,0==a?lt:Qe,0==a?st:ot,Al(Y.width*y,3),Y.stroke(k,l),Y.dash,Y.cap),v.show&&zn([z],[1],0==a?1:0,0==a?1:2,1==a?lt:Qe,1==a?st:ot,Al(v.width*y,3),v.stroke(k,l),v.dash,v.cap)}Ci("drawAxes")},series:function(){if(Gt>0){let l=pl.some((l=>l._focus))&&dn!=Tt.alpha;l&&(K.globalAlpha=dn=Tt.alpha),pl.forEach(((l,e)=>{if(e>0&&l.show&&(kn(e,!1),kn(e,!0),null==l._paths)){let t=dn;dn!=l.alpha&&(K.globalAlpha=dn=l.alpha);let n=2==M?[0,g[e][0].length-1]:function(l){let e=wl(Lt-1,0,Gt-1),t=wl(en+1,0,Gt-1);for(;null==l[e]&&e>0;)e--;for(;null==l[t]&&Gt-1>t;)t++;return[e,t]}(g[e]);l._paths=l.paths(k,e,n[0],n[1]),dn!=t&&(K.globalAlpha=dn=t)}})),pl.forEach(((l,e)=>{if(e>0&&l.show){let t=dn;dn!=l.alpha&&(K.globalAlpha=dn=l.alpha),null!=l._paths&&yn(e,!1);{let t=null!=l._paths?l._paths.gaps:null,n=l.points.show(k,e,Lt,en,t),i=l.points.filter(k,e,n,t);(n||i)&&(l.points._paths=l.points.paths(k,e,Lt,en,i),yn(e,!0))}dn!=t&&(K.globalAlpha=dn=t),Ci("drawSeries",e)}})),l&&(K.globalAlpha=dn=1)}}},Pl=(u.drawOrder||["axes","series"]).map((l=>Dl[l]));function Cl(l){const e=3==l.distr?e=>dl(e>0?e:l.clamp(k,e,l.min,l.max,l.key)):4==l.distr?e=>ml(e,l.asinh):100==l.distr?e=>l.fwd(e):l=>l;return t=>{let n=e(t),{_min:i,_max:o}=l;return(n-i)/(o-i)}}function Il(l){let e=vl[l];if(null==e){let t=(u.scales||Hl)[l]||Hl;if(null!=t.from){Il(t.from);let e=Bl({},vl[t.from],t,{key:l});e.valToPct=Cl(e),vl[l]=e}else{e=vl[l]=Bl({},l==El?ft:ct,t),e.key=l;let n=e.time,i=e.range,o=Gl(i);if((l!=El||2==M&&!n)&&(!o||null!=i[0]&&null!=i[1]||(i={min:null==i[0]?q:{mode:1,hard:i[0],soft:i[0]},max:null==i[1]?q:{mode:1,hard:i[1],soft:i[1]}},o=!1),!o&&Ol(i))){let l=i;i=(e,t,n)=>null==t?Rl:Z(t,n,l)}e.range=bl(i||(n?Bt:l==El?3==e.distr?qt:4==e.distr?Xt:Vt:3==e.distr?Jt:4==e.distr?Kt:$t)),e.auto=bl(!o&&e.auto),e.clamp=bl(e.clamp||at),e._min=e._max=null,e.valToPct=Cl(e)}}}Il("x"),Il("y"),1==M&&pl.forEach((l=>{Il(l.scale)})),xl.forEach((l=>{Il(l.scale)}));for(let l in u.scales)Il(l);const jl=vl[El],Ul=jl.distr;let $l,ql;0==jl.ori?(S(R,"u-hz"),$l=P,ql=W):(S(R,"u-vt"),$l=W,ql=P);const Kl={};for(let l in vl){let e=vl[l];null==e.min&&null==e.max||(Kl[l]={min:e.min,max:e.max},e.min=e.max=null)}const Xl=u.tzDate||(l=>new Date(rl(l/hl))),Zl=u.fmtDate||ne,Ql=1==hl?Me(Xl):Ee(Xl),le=De(Xl,ze(1==hl?ye:Te,Zl)),ee=We(Xl,Ae("{YYYY}-{MM}-{DD} {h}:{mm}{aa}",Zl)),te=[],ie=k.legend=Bl({},Ye,u.legend),oe=k.cursor=Bl({},Re,{drag:{y:2==M}},u.cursor),se=ie.show,re=oe.show,ue=ie.markers;let ce,he,de;ie.idxs=te,ue.width=bl(ue.width),ue.dash=bl(ue.dash),ue.stroke=bl(ue.stroke),ue.fill=bl(ue.fill);let pe,me=[],ge=[],xe=!1,we={};if(ie.live){const l=pl[1]?pl[1].values:null;xe=null!=l,pe=xe?l(k,1,0):{_:0};for(let l in pe)we[l]=w}if(se)if(ce=z("table","u-legend",R),de=z("tbody",null,ce),ie.mount(k,ce),xe){he=z("thead",null,ce,de);let l=z("tr",null,he);for(var _e in z("th",null,l),pe)z("th",e,l).textContent=_e}else S(ce,"u-inline"),ie.live&&S(ce,"u-live");const be={show:!0},ve={show:!1},Pe=new Map;function Ce(l,e,t,n=!0){const i=Pe.get(e)||{},o=oe.bind[l](k,e,t,n);o&&(G(l,e,i[l]=o),Pe.set(e,i))}function He(l,e){const t=Pe.get(e)||{};for(let n in t)null!=l&&n!=l||(I(n,e,t[n]),delete t[n]);null==l&&Pe.delete(e)}let Fe=0,Ge=0,Ie=0,Le=0,Oe=0,Ne=0,je=Oe,Ke=Ne,Xe=Ie,Ze=Le,Qe=0,lt=0,ot=0,st=0;k.bbox={};let ht=!1,pt=!1,mt=!1,xt=!1,wt=!1,_t=!1;function vt(l,e,t){(t||l!=k.width||e!=k.height)&&kt(l,e),An(!1),mt=!0,pt=!0,Jn()}function kt(l,e){k.width=Fe=Ie=l,k.height=Ge=Le=e,Oe=Ne=0,function(){let l=!1,e=!1,t=!1,n=!1;xl.forEach((i=>{if(i.show&&i._show){let{side:o,_size:s}=i,r=s+(null!=i.label?i.labelSize:0);r>0&&(o%2?(Ie-=r,3==o?(Oe+=r,n=!0):t=!0):(Le-=r,0==o?(Ne+=r,l=!0):e=!0))}})),Ct[0]=l,Ct[1]=t,Ct[2]=e,Ct[3]=n,Ie-=Rt[1]+Rt[3],Oe+=Rt[3],Le-=Rt[2]+Rt[0],Ne+=Rt[0]}(),function(){let l=Oe+Ie,e=Ne+Le,t=Oe,n=Ne;function i(i,o){switch(i){case 1:return l+=o,l-o;case 2:return e+=o,e-o;case 3:return t-=o,t+o;case 0:return n-=o,n+o}}xl.forEach((l=>{if(l.show&&l._show){let e=l.side;l._pos=i(e,l._size),null!=l.label&&(l._lpos=i(e,l.labelSize))}}))}();let t=k.bbox;Qe=t.left=zl(Oe*y,.5),lt=t.top=zl(Ne*y,.5),ot=t.width=zl(Ie*y,.5),st=t.height=zl(Le*y,.5)}const yt=3;if(k.setSize=function({width:l,height:e}){vt(l,e)},null==oe.dataIdx){let l=oe.hover,e=l.skip=new Set(l.skip??[]);e.add(void 0);let t=l.prox=bl(l.prox),n=l.bias??=0;oe.dataIdx=(l,i,o,s)=>{if(0==i)return o;let r=o,u=t(l,i,o,s)??gl,a=u>=0&&gl>u,f=0==jl.ori?Ie:Le,c=oe.left,h=g[0],d=g[i];if(e.has(d[o])){r=null;let l,t=null,i=null;if(0==n||-1==n)for(l=o;null==t&&l-- >0;)e.has(d[l])||(t=l);if(0==n||1==n)for(l=o;null==i&&l++<d.length;)e.has(d[l])||(i=l);if(null!=t||null!=i)if(a){let l=c-(null==t?-1/0:$l(h[t],jl,f,0)),e=(null==i?1/0:$l(h[i],jl,f,0))-c;l>e?e>u||(r=i):l>u||(r=t)}else r=null==i?t:null==t||o-t>i-o?i:t}else a&&ol(c-$l(h[o],jl,f,0))>u&&(r=null);return r}}const Mt=l=>{oe.event=l};oe.idxs=te,oe._lock=!1;let St=oe.points;St.show=bl(St.show),St.size=bl(St.size),St.stroke=bl(St.stroke),St.width=bl(St.width),St.fill=bl(St.fill);const Tt=k.focus=Bl({},u.focus||{alpha:.3},oe.focus),Et=Tt.prox>=0,zt=Et&&St.one;let Dt=[],Pt=[],At=[];function Wt(l,e){let t=St.show(k,e);if(t instanceof HTMLElement)return S(t,"u-cursor-pt"),S(t,l.class),A(t,-10,-10,Ie,Le),el.insertBefore(t,Dt[e]),t}function Yt(t,n){if(1==M||n>0){let l=1==M&&vl[t.scale].time,e=t.value;t.value=l?Ll(e)?We(Xl,Ae(e,Zl)):e||ee:e||nt,t.label=t.label||(l?"Time":"Value")}if(zt||n>0){t.width=null==t.width?1:t.width,t.paths=t.paths||Ot||yl,t.fillTo=bl(t.fillTo||gt),t.pxAlign=+Q(t.pxAlign,tl),t.pxRound=bt(t.pxAlign),t.stroke=bl(t.stroke||null),t.fill=bl(t.fill||null),t._stroke=t._fill=t._paths=t._focus=null;let l=function(l){return Al(1*(3+2*(l||1)),3)}(fl(1,t.width)),e=t.points=Bl({},{size:l,width:fl(1,.2*l),stroke:t.stroke,space:2*l,paths:Nt,_stroke:null,_fill:null},t.points);e.show=bl(e.show),e.filter=bl(e.filter),e.fill=bl(e.fill),e.stroke=bl(e.stroke),e.paths=bl(e.paths),e.pxAlign=t.pxAlign}if(se){let i=function(t,n){if(0==n&&(xe||!ie.live||2==M))return Rl;let i=[],o=z("tr","u-series",de,de.childNodes[n]);S(o,t.class),t.show||S(o,l);let s=z("th",null,o);if(ue.show){let l=D("u-marker",s);if(n>0){let e=ue.width(k,n);e&&(l.style.border=e+"px "+ue.dash(k,n)+" "+ue.stroke(k,n)),l.style.background=ue.fill(k,n)}}let r=D(e,s);for(var u in t.label instanceof HTMLElement?r.appendChild(t.label):r.textContent=t.label,n>0&&(ue.show||(r.style.color=t.width>0?ue.stroke(k,n):ue.fill(k,n)),Ce("click",s,(l=>{if(oe._lock)return;Mt(l);let e=pl.indexOf(t);if((l.ctrlKey||l.metaKey)!=ie.isolate){let l=pl.some(((l,t)=>t>0&&t!=e&&l.show));pl.forEach(((t,n)=>{n>0&&oi(n,l?n==e?be:ve:be,!0,Fi.setSeries)}))}else oi(e,{show:!t.show},!0,Fi.setSeries)}),!1),Et&&Ce(d,s,(l=>{oe._lock||(Mt(l),oi(pl.indexOf(t),ai,!0,Fi.setSeries))}),!1)),pe){let l=z("td","u-value",o);l.textContent="--",i.push(l)}return[o,i]}(t,n);me.splice(n,0,i[0]),ge.splice(n,0,i[1]),ie.values.push(null)}if(re){te.splice(n,0,null);let l=null;zt?0==n&&(l=Wt(t,n)):n>0&&(l=Wt(t,n)),Dt.splice(n,0,l),Pt.splice(n,0,0),At.splice(n,0,0)}Ci("addSeries",n)}k.addSeries=function(l,e){e=null==e?pl.length:e,l=1==M?Ut(l,e,Ve,ut):Ut(l,e,{},rt),pl.splice(e,0,l),Yt(pl[e],e)},k.delSeries=function(l){if(pl.splice(l,1),se){ie.values.splice(l,1),ge.splice(l,1);let e=me.splice(l,1)[0];He(null,e.firstChild),e.remove()}re&&(te.splice(l,1),Dt.splice(l,1)[0].remove(),Pt.splice(l,1),At.splice(l,1)),Ci("delSeries",l)};const Ct=[!1,!1,!1,!1];function Ht(l,e,t){let[n,i,o,s]=t,r=e%2,u=0;return 0==r&&(s||i)&&(u=0==e&&!n||2==e&&!o?rl(Ue.size/3):0),1==r&&(n||o)&&(u=1==e&&!i||3==e&&!s?rl(it.size/2):0),u}const Ft=k.padding=(u.padding||[Ht,Ht,Ht,Ht]).map((l=>bl(Q(l,Ht)))),Rt=k._padding=Ft.map(((l,e)=>l(k,e,Ct,0)));let Gt,Lt=null,en=null;const tn=1==M?pl[0].idxs:null;let nn,on,sn,rn,un,an,fn,cn,hn,dn,pn=null,mn=!1;function gn(l,e){if(k.data=k._data=g=null==l?[]:l,2==M){Gt=0;for(let l=1;pl.length>l;l++)Gt+=g[l][0].length}else{0==g.length&&(k.data=k._data=g=[[]]),pn=g[0],Gt=pn.length;let l=g;if(2==Ul){l=g.slice();let e=l[0]=Array(Gt);for(let l=0;Gt>l;l++)e[l]=l}k._data=g=l}if(An(!0),Ci("setData"),2==Ul&&(mt=!0),!1!==e){let l=jl;l.auto(k,mn)?xn():ii(El,l.min,l.max),xt=xt||oe.left>=0,_t=!0,Jn()}}function xn(){let l,e;mn=!0,1==M&&(Gt>0?(Lt=tn[0]=0,en=tn[1]=Gt-1,l=g[0][Lt],e=g[0][en],2==Ul?(l=Lt,e=en):l==e&&(3==Ul?[l,e]=B(l,l,jl.log,!1):4==Ul?[l,e]=$(l,l,jl.log,!1):jl.time?e=l+rl(86400/hl):[l,e]=Z(l,e,J,!0))):(Lt=tn[0]=l=null,en=tn[1]=e=null)),ii(El,l,e)}function wn(l,e,t,n,i,o){l??=a,t??=Fl,n??="butt",i??=a,o??="round",l!=nn&&(K.strokeStyle=nn=l),i!=on&&(K.fillStyle=on=i),e!=sn&&(K.lineWidth=sn=e),o!=un&&(K.lineJoin=un=o),n!=an&&(K.lineCap=an=n),t!=rn&&K.setLineDash(rn=t)}function _n(l,e,t,n){e!=on&&(K.fillStyle=on=e),l!=fn&&(K.font=fn=l),t!=cn&&(K.textAlign=cn=t),n!=hn&&(K.textBaseline=hn=n)}function bn(l,e,t,n,i=0){if(n.length>0&&l.auto(k,mn)&&(null==e||null==e.min)){let e=Q(Lt,0),o=Q(en,n.length-1),s=null==t.min?function(l,e,t,n=0,i=!1){let o=i?V:U,s=i?j:N;[e,t]=o(l,e,t);let r=l[e],u=l[e];if(e>-1)if(1==n)r=l[e],u=l[t];else if(-1==n)r=l[t],u=l[e];else for(let n=e;t>=n;n++){let e=l[n];s(e)&&(r>e?r=e:e>u&&(u=e))}return[r??gl,u??-gl]}(n,e,o,i,3==l.distr):[t.min,t.max];l.min=al(l.min,t.min=s[0]),l.max=fl(l.max,t.max=s[1])}}k.setData=gn;const vn={min:null,max:null};function kn(l,e){let t=e?pl[l].points:pl[l];t._stroke=t.stroke(k,l),t._fill=t.fill(k,l)}function yn(l,e){let t=e?pl[l].points:pl[l],{stroke:n,fill:i,clip:o,flags:s,_stroke:r=t._stroke,_fill:u=t._fill,_width:a=t.width}=t._paths;a=Al(a*y,3);let f=null,c=a%2/2;e&&null==u&&(u=a>0?"#fff":r);let h=1==t.pxAlign&&c>0;if(h&&K.translate(c,c),!e){let l=Qe-a/2,e=lt-a/2,t=ot+a,n=st+a;f=new Path2D,f.rect(l,e,t,n)}e?Sn(r,a,t.dash,t.cap,u,n,i,s,o):function(l,e,t,n,i,o,s,r,u,a,f){let c=!1;0!=u&&Tl.forEach(((h,d)=>{if(h.series[0]==l){let l,p=pl[h.series[1]],m=g[h.series[1]],x=(p._paths||Hl).band;Gl(x)&&(x=1==h.dir?x[0]:x[1]);let w=null;p.show&&x&&function(l,e,t){for(e=Q(e,0),t=Q(t,l.length-1);t>=e;){if(null!=l[e])return!0;e++}return!1}(m,Lt,en)?(w=h.fill(k,d)||o,l=p._paths.clip):x=null,Sn(e,t,n,i,w,s,r,u,a,f,l,x),c=!0}})),c||Sn(e,t,n,i,o,s,r,u,a,f)}(l,r,a,t.dash,t.cap,u,n,i,s,f,o),h&&K.translate(-c,-c)}const Mn=3;function Sn(l,e,t,n,i,o,s,r,u,a,f,c){wn(l,e,t,n,i),(u||a||c)&&(K.save(),u&&K.clip(u),a&&K.clip(a)),c?(r&Mn)==Mn?(K.clip(c),f&&K.clip(f),En(i,s),Tn(l,o,e)):2&r?(En(i,s),K.clip(c),Tn(l,o,e)):1&r&&(K.save(),K.clip(c),f&&K.clip(f),En(i,s),K.restore(),Tn(l,o,e)):(En(i,s),Tn(l,o,e)),(u||a||c)&&K.restore()}function Tn(l,e,t){t>0&&(e instanceof Map?e.forEach(((l,e)=>{K.strokeStyle=nn=e,K.stroke(l)})):null!=e&&l&&K.stroke(e))}function En(l,e){e instanceof Map?e.forEach(((l,e)=>{K.fillStyle=on=e,K.fill(l)})):null!=e&&l&&K.fill(e)}function zn(l,e,t,n,i,o,s,r,u,a){let f=s%2/2;1==tl&&K.translate(f,f),wn(r,s,u,a,r),K.beginPath();let c,h,d,p,m=i+(0==n||3==n?-o:o);0==t?(h=i,p=m):(c=i,d=m);for(let n=0;l.length>n;n++)null!=e[n]&&(0==t?c=d=l[n]:h=p=l[n],K.moveTo(c,h),K.lineTo(d,p));K.stroke(),1==tl&&K.translate(-f,-f)}function Dn(l){let e=!0;return xl.forEach(((t,n)=>{if(!t.show)return;let i=vl[t.scale];if(null==i.min)return void(t._show&&(e=!1,t._show=!1,An(!1)));t._show||(e=!1,t._show=!0,An(!1));let o=t.side,s=o%2,{min:r,max:u}=i,[a,f]=function(l,e,t,n){let i,o=xl[l];if(n>0){let s=o._space=o.space(k,l,e,t,n);i=Zt(e,t,o._incrs=o.incrs(k,l,e,t,n,s),n,s)}else i=[0,0];return o._found=i}(n,r,u,0==s?Ie:Le);if(0==f)return;let c=t._splits=t.splits(k,n,r,u,a,f,2==i.distr),h=2==i.distr?c.map((l=>pn[l])):c,d=2==i.distr?pn[c[1]]-pn[c[0]]:a,p=t._values=t.values(k,t.filter(k,h,n,f,d),n,f,d);t._rotate=2==o?t.rotate(k,p,n,f):0;let m=t._size;t._size=ul(t.size(k,p,n,l)),null!=m&&t._size!=m&&(e=!1)})),e}function Pn(l){let e=!0;return Ft.forEach(((t,n)=>{let i=t(k,n,Ct,l);i!=Rt[n]&&(e=!1),Rt[n]=i})),e}function An(l){pl.forEach(((e,t)=>{t>0&&(e._paths=null,l&&(1==M?(e.min=null,e.max=null):e.facets.forEach((l=>{l.min=null,l.max=null}))))}))}let Wn,Yn,Cn,Hn,Fn,Rn,Gn,In,Ln,On,Nn,jn,Un=!1,Vn=!1,Bn=[];function $n(){Vn=!1;for(let l=0;Bn.length>l;l++)Ci(...Bn[l]);Bn.length=0}function Jn(){Un||(Jl(qn),Un=!0)}function qn(){if(ht&&(function(){for(let l in vl){let e=vl[l];null==Kl[l]&&(null==e.min||null!=Kl[El]&&e.auto(k,mn))&&(Kl[l]=vn)}for(let l in vl){let e=vl[l];null==Kl[l]&&null!=e.from&&null!=Kl[e.from]&&(Kl[l]=vn)}null!=Kl[El]&&An(!0);let l={};for(let e in Kl){let t=Kl[e];if(null!=t){let n=l[e]=Vl(vl[e],Nl);if(null!=t.min)Bl(n,t);else if(e!=El||2==M)if(0==Gt&&null==n.from){let l=n.range(k,null,null,e);n.min=l[0],n.max=l[1]}else n.min=gl,n.max=-gl}}if(Gt>0){pl.forEach(((e,t)=>{if(1==M){let n=e.scale,i=Kl[n];if(null==i)return;let o=l[n];if(0==t){let l=o.range(k,o.min,o.max,n);o.min=l[0],o.max=l[1],Lt=L(o.min,g[0]),en=L(o.max,g[0]),en-Lt>1&&(o.min>g[0][Lt]&&Lt++,g[0][en]>o.max&&en--),e.min=pn[Lt],e.max=pn[en]}else e.show&&e.auto&&bn(o,i,e,g[t],e.sorted);e.idxs[0]=Lt,e.idxs[1]=en}else if(t>0&&e.show&&e.auto){let[n,i]=e.facets,o=n.scale,s=i.scale,[r,u]=g[t],a=l[o],f=l[s];null!=a&&bn(a,Kl[o],n,r,n.sorted),null!=f&&bn(f,Kl[s],i,u,i.sorted),e.min=i.min,e.max=i.max}}));for(let e in l){let t=l[e],n=Kl[e];if(null==t.from&&(null==n||null==n.min)){let l=t.range(k,t.min==gl?null:t.min,t.max==-gl?null:t.max,e);t.min=l[0],t.max=l[1]}}}for(let e in l){let t=l[e];if(null!=t.from){let n=l[t.from];if(null==n.min)t.min=t.max=null;else{let l=t.range(k,n.min,n.max,e);t.min=l[0],t.max=l[1]}}}let e={},t=!1;for(let n in l){let i=l[n],o=vl[n];if(o.min!=i.min||o.max!=i.max){o.min=i.min,o.max=i.max;let l=o.distr;o._min=3==l?dl(o.min):4==l?ml(o.min,o.asinh):100==l?o.fwd(o.min):o.min,o._max=3==l?dl(o.max):4==l?ml(o.max,o.asinh):100==l?o.fwd(o.max):o.max,e[n]=t=!0}}if(t){pl.forEach(((l,t)=>{2==M?t>0&&e.y&&(l._paths=null):e[l.scale]&&(l._paths=null)}));for(let l in e)mt=!0,Ci("setScale",l);re&&oe.left>=0&&(xt=_t=!0)}for(let l in Kl)Kl[l]=null}(),ht=!1),mt&&(function(){let l=!1,e=0;for(;!l;){e++;let t=Dn(e),n=Pn(e);l=e==yt||t&&n,l||(kt(k.width,k.height),pt=!0)}}(),mt=!1),pt){if(E(ll,s,Oe),E(ll,i,Ne),E(ll,t,Ie),E(ll,n,Le),E(el,s,Oe),E(el,i,Ne),E(el,t,Ie),E(el,n,Le),E(X,t,Fe),E(X,n,Ge),O.width=rl(Fe*y),O.height=rl(Ge*y),xl.forEach((({_el:e,_show:t,_size:n,_pos:i,side:o})=>{if(null!=e)if(t){let t=o%2==1;E(e,t?"left":"top",i-(3===o||0===o?n:0)),E(e,t?"width":"height",n),E(e,t?"top":"left",t?Ne:Oe),E(e,t?"height":"width",t?Le:Ie),T(e,l)}else S(e,l)})),nn=on=sn=un=an=fn=cn=hn=rn=null,dn=1,_i(!0),Oe!=je||Ne!=Ke||Ie!=Xe||Le!=Ze){An(!1);let l=Ie/Xe,e=Le/Ze;if(re&&!xt&&oe.left>=0){oe.left*=l,oe.top*=e,Cn&&A(Cn,rl(oe.left),0,Ie,Le),Hn&&A(Hn,0,rl(oe.top),Ie,Le);for(let t=0;Dt.length>t;t++){let n=Dt[t];null!=n&&(Pt[t]*=l,At[t]*=e,A(n,ul(Pt[t]),ul(At[t]),Ie,Le))}}if(ei.show&&!wt&&ei.left>=0&&ei.width>0){ei.left*=l,ei.width*=l,ei.top*=e,ei.height*=e;for(let l in ki)E(ti,l,ei[l])}je=Oe,Ke=Ne,Xe=Ie,Ze=Le}Ci("setSize"),pt=!1}Fe>0&&Ge>0&&(K.clearRect(0,0,O.width,O.height),Ci("drawClear"),Pl.forEach((l=>l())),Ci("draw")),ei.show&&wt&&(ni(ei),wt=!1),re&&xt&&(xi(null,!0,!1),xt=!1),ie.show&&ie.live&&_t&&(mi(),_t=!1),F||(F=!0,k.status=1,Ci("ready")),mn=!1,Un=!1}function Kn(l,e){let t=vl[l];if(null==t.from){if(0==Gt){let n=t.range(k,e.min,e.max,l);e.min=n[0],e.max=n[1]}if(e.min>e.max){let l=e.min;e.min=e.max,e.max=l}if(Gt>1&&null!=e.min&&null!=e.max&&1e-16>e.max-e.min)return;l==El&&2==t.distr&&Gt>0&&(e.min=L(e.min,g[0]),e.max=L(e.max,g[0]),e.min==e.max&&e.max++),Kl[l]=e,ht=!0,Jn()}}k.batch=function(l,e=!1){Un=!0,Vn=e,l(k),qn(),e&&Bn.length>0&&queueMicrotask($n)},k.redraw=(l,e)=>{mt=e||!1,!1!==l?ii(El,jl.min,jl.max):Jn()},k.setScale=Kn;let Xn=!1;const Zn=oe.drag;let Qn=Zn.x,li=Zn.y;re&&(oe.x&&(Wn=D("u-cursor-x",el)),oe.y&&(Yn=D("u-cursor-y",el)),0==jl.ori?(Cn=Wn,Hn=Yn):(Cn=Yn,Hn=Wn),Nn=oe.left,jn=oe.top);const ei=k.select=Bl({show:!0,over:!0,left:0,width:0,top:0,height:0},u.select),ti=ei.show?D("u-select",ei.over?el:ll):null;function ni(l,e){if(ei.show){for(let e in l)ei[e]=l[e],e in ki&&E(ti,e,l[e]);!1!==e&&Ci("setSelect")}}function ii(l,e,t){Kn(l,{min:e,max:t})}function oi(e,t,n,i){null!=t.focus&&function(l){if(l!=ui){let e=null==l,t=1!=Tt.alpha;pl.forEach(((n,i)=>{if(1==M||i>0){let o=e||0==i||i==l;n._focus=e?null:o,t&&function(l,e){pl[l].alpha=e,re&&null!=Dt[l]&&(Dt[l].style.opacity=e),se&&me[l]&&(me[l].style.opacity=e)}(i,o?1:Tt.alpha)}})),ui=l,t&&Jn()}}(e),null!=t.show&&pl.forEach(((n,i)=>{0>=i||e!=i&&null!=e||(n.show=t.show,function(e){if(pl[e].show)se&&T(me[e],l);else if(se&&S(me[e],l),re){let l=zt?Dt[0]:Dt[e];null!=l&&A(l,-10,-10,Ie,Le)}}(i),2==M?(ii(n.facets[0].scale,null,null),ii(n.facets[1].scale,null,null)):ii(n.scale,null,null),Jn())})),!1!==n&&Ci("setSeries",e,t),i&&Ii("setSeries",k,e,t)}let si,ri,ui;k.setSelect=ni,k.setSeries=oi,k.addBand=function(l,e){l.fill=bl(l.fill||null),l.dir=Q(l.dir,-1),Tl.splice(e=null==e?Tl.length:e,0,l)},k.setBand=function(l,e){Bl(Tl[l],e)},k.delBand=function(l){null==l?Tl.length=0:Tl.splice(l,1)};const ai={focus:!0};function fi(l,e,t){let n=vl[e];t&&(l=l/y-(1==n.ori?Ne:Oe));let i=Ie;1==n.ori&&(i=Le,l=i-l),-1==n.dir&&(l=i-l);let o=n._min,s=o+l/i*(n._max-o),r=n.distr;return 3==r?cl(10,s):4==r?((l,e=1)=>nl.sinh(l)*e)(s,n.asinh):100==r?n.bwd(s):s}function ci(l,e){E(ti,s,ei.left=l),E(ti,t,ei.width=e)}function hi(l,e){E(ti,i,ei.top=l),E(ti,n,ei.height=e)}se&&Et&&Ce(p,ce,(l=>{oe._lock||(Mt(l),null!=ui&&oi(null,ai,!0,Fi.setSeries))})),k.valToIdx=l=>L(l,g[0]),k.posToIdx=function(l,e){return L(fi(l,El,e),g[0],Lt,en)},k.posToVal=fi,k.valToPos=(l,e,t)=>0==vl[e].ori?P(l,vl[e],t?ot:Ie,t?Qe:0):W(l,vl[e],t?st:Le,t?lt:0),k.setCursor=(l,e,t)=>{Nn=l.left,jn=l.top,xi(null,e,t)};let di=0==jl.ori?ci:hi,pi=1==jl.ori?ci:hi;function mi(l,e){if(null!=l&&(l.idxs?l.idxs.forEach(((l,e)=>{te[e]=l})):(l=>void 0===l)(l.idx)||te.fill(l.idx),ie.idx=te[0]),se&&ie.live){for(let l=0;pl.length>l;l++)(l>0||1==M&&!xe)&&gi(l,te[l]);!function(){if(se&&ie.live)for(let l=2==M?1:0;pl.length>l;l++){if(0==l&&xe)continue;let e=ie.values[l],t=0;for(let n in e)ge[l][t++].firstChild.nodeValue=e[n]}}()}_t=!1,!1!==e&&Ci("setLegend")}function gi(l,e){let t,n=pl[l],i=0==l&&2==Ul?pn:g[l];xe?t=n.values(k,l,e)??we:(t=n.value(k,null==e?null:i[e],l,e),t=null==t?we:{_:t}),ie.values[l]=t}function xi(l,e,t){let n;Ln=Nn,On=jn,[Nn,jn]=oe.move(k,Nn,jn),oe.left=Nn,oe.top=jn,re&&(Cn&&A(Cn,rl(Nn),0,Ie,Le),Hn&&A(Hn,0,rl(jn),Ie,Le)),si=gl,ri=null;let i=0==jl.ori?Ie:Le,o=1==jl.ori?Ie:Le;if(0>Nn||0==Gt||Lt>en){n=oe.idx=null;for(let l=0;pl.length>l;l++){let e=Dt[l];null!=e&&A(e,-10,-10,Ie,Le)}Et&&oi(null,ai,!0,null==l&&Fi.setSeries),ie.live&&(te.fill(n),_t=!0)}else{let l,e,t;1==M&&(l=0==jl.ori?Nn:jn,e=fi(l,El),n=oe.idx=L(e,g[0],Lt,en),t=$l(g[0][n],jl,i,0));let s=-10,r=-10,u=0,a=0,f=!0,c="",h="";for(let l=2==M?1:0;pl.length>l;l++){let d=pl[l],p=te[l],m=null==p?null:1==M?g[l][p]:g[l][1][p],x=oe.dataIdx(k,l,n,e),w=null==x?null:1==M?g[l][x]:g[l][1][x];if(_t=_t||w!=m||x!=p,te[l]=x,l>0&&d.show){let e=null==x?-10:x==n?t:$l(1==M?g[0][x]:g[l][0][x],jl,i,0),p=null==w?-10:ql(w,1==M?vl[d.scale]:vl[d.facets[1].scale],o,0);if(Et&&null!=w){let e=1==jl.ori?Nn:jn,t=ol(Tt.dist(k,l,x,p,e));if(si>t){let n=Tt.bias;if(0!=n){let i=fi(e,d.scale),o=0>i?-1:1;o!=(0>w?-1:1)||(1==o?1==n?i>w:w>i:1==n?w>i:i>w)||(si=t,ri=l)}else si=t,ri=l}}if(_t||zt){let t,n;0==jl.ori?(t=e,n=p):(t=p,n=e);let i,o,d,m,g,x,w=!0,_=St.bbox;if(null!=_){w=!1;let e=_(k,l);d=e.left,m=e.top,i=e.width,o=e.height}else d=t,m=n,i=o=St.size(k,l);if(x=St.fill(k,l),g=St.stroke(k,l),zt)l!=ri||si>Tt.prox||(s=d,r=m,u=i,a=o,f=w,c=x,h=g);else{let e=Dt[l];null!=e&&(Pt[l]=d,At[l]=m,H(e,i,o,w),Y(e,x,g),A(e,ul(d),ul(m),Ie,Le))}}}}if(zt){let l=Tt.prox;if(_t||(null==ui?l>=si:si>l||ri!=ui)){let l=Dt[0];null!=l&&(Pt[0]=s,At[0]=r,H(l,u,a,f),Y(l,c,h),A(l,ul(s),ul(r),Ie,Le))}}}if(ei.show&&Xn)if(null!=l){let[e,t]=Fi.scales,[n,s]=Fi.match,[r,u]=l.cursor.sync.scales,a=l.cursor.drag;if(Qn=a._x,li=a._y,Qn||li){let a,f,c,h,d,{left:p,top:m,width:g,height:x}=l.select,w=l.scales[r].ori,_=l.posToVal,b=null!=e&&n(e,r),v=null!=t&&s(t,u);b&&Qn?(0==w?(a=p,f=g):(a=m,f=x),c=vl[e],h=$l(_(a,r),c,i,0),d=$l(_(a+f,r),c,i,0),di(al(h,d),ol(d-h))):di(0,i),v&&li?(1==w?(a=p,f=g):(a=m,f=x),c=vl[t],h=ql(_(a,u),c,o,0),d=ql(_(a+f,u),c,o,0),pi(al(h,d),ol(d-h))):pi(0,o)}else yi()}else{let l=ol(Ln-Fn),e=ol(On-Rn);if(1==jl.ori){let t=l;l=e,e=t}Qn=Zn.x&&l>=Zn.dist,li=Zn.y&&e>=Zn.dist;let t,n,s=Zn.uni;null!=s?Qn&&li&&(Qn=l>=s,li=e>=s,Qn||li||(e>l?li=!0:Qn=!0)):Zn.x&&Zn.y&&(Qn||li)&&(Qn=li=!0),Qn&&(0==jl.ori?(t=Gn,n=Nn):(t=In,n=jn),di(al(t,n),ol(n-t)),li||pi(0,o)),li&&(1==jl.ori?(t=Gn,n=Nn):(t=In,n=jn),pi(al(t,n),ol(n-t)),Qn||di(0,i)),Qn||li||(di(0,0),pi(0,0))}if(Zn._x=Qn,Zn._y=li,null==l){if(t){if(null!=Ri){let[l,e]=Fi.scales;Fi.values[0]=null!=l?fi(0==jl.ori?Nn:jn,l):null,Fi.values[1]=null!=e?fi(1==jl.ori?Nn:jn,e):null}Ii(f,k,Nn,jn,Ie,Le,n)}if(Et){let l=t&&Fi.setSeries,e=Tt.prox;null==ui?si>e||oi(ri,ai,!0,l):si>e?oi(null,ai,!0,l):ri!=ui&&oi(ri,ai,!0,l)}}_t&&(ie.idx=n,mi()),!1!==e&&Ci("setCursor")}k.setLegend=mi;let wi=null;function _i(l=!1){l?wi=null:(wi=el.getBoundingClientRect(),Ci("syncRect",wi))}function bi(l,e,t,n,i,o){oe._lock||Xn&&null!=l&&0==l.movementX&&0==l.movementY||(vi(l,e,t,n,i,o,0,!1,null!=l),null!=l?xi(null,!0,!0):xi(e,!0,!1))}function vi(l,e,t,n,i,o,s,r,u){if(null==wi&&_i(!1),Mt(l),null!=l)t=l.clientX-wi.left,n=l.clientY-wi.top;else{if(0>t||0>n)return Nn=-10,void(jn=-10);let[l,s]=Fi.scales,r=e.cursor.sync,[u,a]=r.values,[f,c]=r.scales,[h,d]=Fi.match,p=e.axes[0].side%2==1,m=0==jl.ori?Ie:Le,g=1==jl.ori?Ie:Le,x=p?o:i,w=p?i:o,_=p?n:t,b=p?t:n;if(t=null!=f?h(l,f)?C(u,vl[l],m,0):-10:m*(_/x),n=null!=c?d(s,c)?C(a,vl[s],g,0):-10:g*(b/w),1==jl.ori){let l=t;t=n,n=l}}!u||null!=e&&e.cursor.event.type!=f||(t>1&&Ie-1>t||(t=zl(t,Ie)),n>1&&Le-1>n||(n=zl(n,Le))),r?(Fn=t,Rn=n,[Gn,In]=oe.move(k,t,n)):(Nn=t,jn=n)}Object.defineProperty(k,"rect",{get:()=>(null==wi&&_i(!1),wi)});const ki={width:0,height:0,left:0,top:0};function yi(){ni(ki,!1)}let Mi,Si,Ti,Ei;function zi(l,e,t,n,i,o){Xn=!0,Qn=li=Zn._x=Zn._y=!1,vi(l,e,t,n,i,o,0,!0,!1),null!=l&&(Ce(h,b,Di,!1),Ii(c,k,Gn,In,Ie,Le,null));let{left:s,top:r,width:u,height:a}=ei;Mi=s,Si=r,Ti=u,Ei=a}function Di(l,e,t,n,i,o){Xn=Zn._x=Zn._y=!1,vi(l,e,t,n,i,o,0,!1,!0);let{left:s,top:r,width:u,height:a}=ei,f=u>0||a>0,c=Mi!=s||Si!=r||Ti!=u||Ei!=a;if(f&&c&&ni(ei),Zn.setScale&&f&&c){let l=s,e=u,t=r,n=a;if(1==jl.ori&&(l=r,e=a,t=s,n=u),Qn&&ii(El,fi(l,El),fi(l+e,El)),li)for(let l in vl){let e=vl[l];l!=El&&null==e.from&&e.min!=gl&&ii(l,fi(t+n,l),fi(t,l))}yi()}else oe.lock&&(oe._lock=!oe._lock,xi(e,!0,null!=l));null!=l&&(He(h,b),Ii(h,k,Nn,jn,Ie,Le,null))}function Pi(l){oe._lock||(Mt(l),xn(),yi(),null!=l&&Ii(m,k,Nn,jn,Ie,Le,null))}function Ai(){xl.forEach(ln),vt(k.width,k.height,!0)}G(x,v,Ai);const Wi={};Wi.mousedown=zi,Wi.mousemove=bi,Wi.mouseup=Di,Wi.dblclick=Pi,Wi.setSeries=(l,e,t,n)=>{-1!=(t=(0,Fi.match[2])(k,e,t))&&oi(t,n,!0,!1)},re&&(Ce(c,el,zi),Ce(f,el,bi),Ce(d,el,(l=>{Mt(l),_i(!1)})),Ce(p,el,(function(l){if(oe._lock)return;Mt(l);let e=Xn;if(Xn){let l,e,t=!0,n=!0,i=10;0==jl.ori?(l=Qn,e=li):(l=li,e=Qn),l&&e&&(t=i>=Nn||Nn>=Ie-i,n=i>=jn||jn>=Le-i),l&&t&&(Nn=Gn>Nn?0:Ie),e&&n&&(jn=In>jn?0:Le),xi(null,!0,!0),Xn=!1}Nn=-10,jn=-10,te.fill(null),xi(null,!0,!0),e&&(Xn=e)})),Ce(m,el,Pi),It.add(k),k.syncRect=_i);const Yi=k.hooks=u.hooks||{};function Ci(l,e,t){Vn?Bn.push([l,e,t]):l in Yi&&Yi[l].forEach((l=>{l.call(null,k,e,t)}))}(u.plugins||[]).forEach((l=>{for(let e in l.hooks)Yi[e]=(Yi[e]||[]).concat(l.hooks[e])}));const Hi=(l,e,t)=>t,Fi=Bl({key:null,setSeries:!1,filters:{pub:Ml,sub:Ml},scales:[El,pl[1]?pl[1].scale:null],match:[Sl,Sl,Hi],values:[null,null]},oe.sync);2==Fi.match.length&&Fi.match.push(Hi),oe.sync=Fi;const Ri=Fi.key,Gi=dt(Ri);function Ii(l,e,t,n,i,o,s){Fi.filters.pub(l,e,t,n,i,o,s)&&Gi.pub(l,e,t,n,i,o,s)}function Li(){Ci("init",u,g),gn(g||u.data,!1),Kl[El]?Kn(El,Kl[El]):xn(),wt=ei.show&&(ei.width>0||ei.height>0),xt=_t=!0,vt(u.width,u.height)}return Gi.sub(k),k.pub=function(l,e,t,n,i,o,s){Fi.filters.sub(l,e,t,n,i,o,s)&&Wi[l](null,e,t,n,i,o,s)},k.destroy=function(){Gi.unsub(k),It.delete(k),Pe.clear(),I(x,v,Ai),R.remove(),ce?.remove(),Ci("destroy")},pl.forEach(Yt),xl.forEach((function(l,e){if(l._show=l.show,l.show){let t=vl[l.scale];null==t&&(l.scale=l.side%2?pl[1].scale:El,t=vl[l.scale]);let n=t.time;l.size=bl(l.size),l.space=bl(l.space),l.rotate=bl(l.rotate),Gl(l.incrs)&&l.incrs.forEach((l=>{!Wl.has(l)&&Wl.set(l,Yl(l))})),l.incrs=bl(l.incrs||(2==t.distr?ae:n?1==hl?ke:Se:fe)),l.splits=bl(l.splits||(n&&1==t.distr?Ql:3==t.distr?Je:4==t.distr?qe:$e)),l.stroke=bl(l.stroke),l.grid.stroke=bl(l.grid.stroke),l.ticks.stroke=bl(l.ticks.stroke),l.border.stroke=bl(l.border.stroke);let i=l.values;l.values=Gl(i)&&!Gl(i[0])?bl(i):n?Gl(i)?De(Xl,ze(i,Zl)):Ll(i)?function(l,e){let t=ne(e);return(e,n)=>n.map((e=>t(l(e))))}(Xl,i):i||le:i||Be,l.filter=bl(l.filter||(3>t.distr||10!=t.log?3==t.distr&&2==t.log?tt:kl:et)),l.font=Qt(l.font),l.labelFont=Qt(l.labelFont),l._size=l.size(k,null,e,0),l._space=l._rotate=l._incrs=l._found=l._splits=l._values=null,l._size>0&&(Ct[e]=!0,l._el=D("u-axis",X))}})),_?_ instanceof HTMLElement?(_.appendChild(R),Li()):_(k,Li):Li(),k}en.assign=Bl,en.fmtNum=tl,en.rangeNum=Z,en.rangeLog=B,en.rangeAsinh=$,en.orient=pt,en.pxRatio=y,en.join=function(l,e){if(function(l){let e=l[0][0],t=e.length;for(let n=1;l.length>n;n++){let i=l[n][0];if(i.length!=t)return!1;if(i!=e)for(let l=0;t>l;l++)if(i[l]!=e[l])return!1}return!0}(l)){let e=l[0].slice();for(let t=1;l.length>t;t++)e.push(...l[t].slice(1));return function(l,e=100){const t=l.length;if(1>=t)return!0;let n=0,i=t-1;for(;i>=n&&null==l[n];)n++;for(;i>=n&&null==l[i];)i--;if(n>=i)return!0;const o=fl(1,sl((i-n+1)/e));for(let e=l[n],t=n+o;i>=t;t+=o){const n=l[t];if(null!=n){if(e>=n)return!1;e=n}}return!0}(e[0])||(e=function(l){let e=l[0],t=e.length,n=Array(t);for(let l=0;n.length>l;l++)n[l]=l;n.sort(((l,t)=>e[l]-e[t]));let i=[];for(let e=0;l.length>e;e++){let o=l[e],s=Array(t);for(let l=0;t>l;l++)s[l]=o[n[l]];i.push(s)}return i}(e)),e}let t=new Set;for(let e=0;l.length>e;e++){let n=l[e][0],i=n.length;for(let l=0;i>l;l++)t.add(n[l])}let n=[Array.from(t).sort(((l,e)=>l-e))],i=n[0].length,o=new Map;for(let l=0;i>l;l++)o.set(n[0][l],l);for(let t=0;l.length>t;t++){let s=l[t],r=s[0];for(let l=1;s.length>l;l++){let u=s[l],a=Array(i).fill(void 0),f=e?e[t][l]:1,c=[];for(let l=0;u.length>l;l++){let e=u[l],t=o.get(r[l]);null===e?0!=f&&(a[t]=e,2==f&&c.push(t)):a[t]=e}$l(a,c,i),n.push(a)}}return n},en.fmtDate=ne,en.tzDate=function(l,e){let t;return"UTC"==e||"Etc/UTC"==e?t=new Date(+l+6e4*l.getTimezoneOffset()):e==ie?t=l:(t=new Date(l.toLocaleString("en-US",{timeZone:e})),t.setMilliseconds(l.getMilliseconds())),t},en.sync=dt;{en.addGap=function(l,e,t){let n=l[l.length-1];n&&n[0]==e?n[1]=t:l.push([e,t])},en.clipGaps=wt;let l=en.paths={points:Wt};l.linear=Ft,l.stepped=function(l){const e=Q(l.align,1),t=Q(l.ascDesc,!1),n=Q(l.alignGaps,0),i=Q(l.extend,!1);return(l,o,s,r)=>pt(l,o,((u,a,f,c,h,d,p,m,g,x,w)=>{[s,r]=U(f,s,r);let _=u.pxRound,{left:b,width:v}=l.bbox,k=l=>_(d(l,c,x,m)),M=l=>_(p(l,h,w,g)),S=0==c.ori?Mt:St;const T={stroke:new Path2D,fill:null,clip:null,band:null,gaps:null,flags:1},E=T.stroke,z=c.dir*(0==c.ori?1:-1);let D=M(f[1==z?s:r]),P=k(a[1==z?s:r]),A=P,W=P;i&&-1==e&&(W=b,S(E,W,D)),S(E,P,D);for(let l=1==z?s:r;l>=s&&r>=l;l+=z){let t=f[l];if(null==t)continue;let n=k(a[l]),i=M(t);1==e?S(E,n,D):S(E,A,i),S(E,n,i),D=i,A=n}let Y=A;i&&1==e&&(Y=b+v,S(E,Y,D));let[C,H]=mt(l,o);if(null!=u.fill||0!=C){let e=T.fill=new Path2D(E),t=M(u.fillTo(l,o,u.min,u.max,C));S(e,Y,t),S(e,W,t)}if(!u.spanGaps){let i=[];i.push(..._t(a,f,s,r,z,k,n));let h=u.width*y/2,d=t||1==e?h:-h,p=t||-1==e?-h:h;i.forEach((l=>{l[0]+=d,l[1]+=p})),T.gaps=i=u.gaps(l,o,s,r,i),T.clip=wt(i,c.ori,m,g,x,w)}return 0!=H&&(T.band=2==H?[xt(l,o,s,r,E,-1),xt(l,o,s,r,E,1)]:xt(l,o,s,r,E,H)),T}))},l.bars=function(l){const e=Q((l=l||Hl).size,[.6,gl,1]),t=l.align||0,n=l.gap||0;let i=l.radius;i=null==i?[0,0]:"number"==typeof i?[i,0]:i;const o=bl(i),s=1-e[0],r=Q(e[1],gl),u=Q(e[2],1),a=Q(l.disp,Hl),f=Q(l.each,(()=>{})),{fill:c,stroke:h}=a;return(l,e,i,d)=>pt(l,e,((p,m,g,x,w,_,b,v,k,M,S)=>{let T,E,z=p.pxRound,D=t,P=n*y,A=r*y,W=u*y;0==x.ori?[T,E]=o(l,e):[E,T]=o(l,e);const Y=x.dir*(0==x.ori?1:-1);let C,H,F,R=0==x.ori?Tt:Et,G=0==x.ori?f:(l,e,t,n,i,o,s)=>{f(l,e,t,i,n,s,o)},I=Q(l.bands,Fl).find((l=>l.series[0]==e)),L=p.fillTo(l,e,p.min,p.max,null!=I?I.dir:0),O=z(b(L,w,S,k)),N=M,j=z(p.width*y),U=!1,V=null,B=null,$=null,J=null;null==c||0!=j&&null==h||(U=!0,V=c.values(l,e,i,d),B=new Map,new Set(V).forEach((l=>{null!=l&&B.set(l,new Path2D)})),j>0&&($=h.values(l,e,i,d),J=new Map,new Set($).forEach((l=>{null!=l&&J.set(l,new Path2D)}))));let{x0:q,size:K}=a;if(null!=q&&null!=K){D=1,m=q.values(l,e,i,d),2==q.unit&&(m=m.map((e=>l.posToVal(v+e*M,x.key,!0))));let t=K.values(l,e,i,d);H=2==K.unit?t[0]*M:_(t[0],x,M,v)-_(0,x,M,v),N=Rt(m,g,_,x,M,v,N),F=N-H+P}else N=Rt(m,g,_,x,M,v,N),F=N*s+P,H=N-F;1>F&&(F=0),H/2>j||(j=0),5>F&&(z=vl);let X=F>0;H=z(wl(N-F-(X?j:0),W,A)),C=(0==D?H/2:D==Y?0:H)-D*Y*((0==D?P/2:0)+(X?j/2:0));const Z={stroke:null,fill:null,clip:null,band:null,gaps:null,flags:0},ll=U?null:new Path2D;let el=null;if(null!=I)el=l.data[I.series[1]];else{let{y0:t,y1:n}=a;null!=t&&null!=n&&(g=n.values(l,e,i,d),el=t.values(l,e,i,d))}let tl=T*H,nl=E*H;for(let t=1==Y?i:d;t>=i&&d>=t;t+=Y){let n=g[t];if(null==n)continue;if(null!=el){let l=el[t]??0;if(n-l==0)continue;O=b(l,w,S,k)}let i=_(2!=x.distr||null!=a?m[t]:t,x,M,v),o=b(Q(n,L),w,S,k),s=z(i-C),r=z(fl(o,O)),u=z(al(o,O)),f=r-u;if(null!=n){let i=0>n?nl:tl,o=0>n?tl:nl;U?(j>0&&null!=$[t]&&R(J.get($[t]),s,u+sl(j/2),H,fl(0,f-j),i,o),null!=V[t]&&R(B.get(V[t]),s,u+sl(j/2),H,fl(0,f-j),i,o)):R(ll,s,u+sl(j/2),H,fl(0,f-j),i,o),G(l,e,t,s-j/2,u,H+j,f)}}return j>0?Z.stroke=U?J:ll:U||(Z._fill=0==p.width?p._fill:p._stroke??p._fill,Z.width=0),Z.fill=U?B:ll,Z}))},l.spline=function(l){return function(l,e){const t=Q(e?.alignGaps,0);return(e,n,i,o)=>pt(e,n,((s,r,u,a,f,c,h,d,p,m,g)=>{[i,o]=U(u,i,o);let x,w,_,b=s.pxRound,v=l=>b(c(l,a,m,d)),k=l=>b(h(l,f,g,p));0==a.ori?(x=kt,_=Mt,w=Pt):(x=yt,_=St,w=At);const y=a.dir*(0==a.ori?1:-1);let M=v(r[1==y?i:o]),S=M,T=[],E=[];for(let l=1==y?i:o;l>=i&&o>=l;l+=y)if(null!=u[l]){let e=v(r[l]);T.push(S=e),E.push(k(u[l]))}const z={stroke:l(T,E,x,_,w,b),fill:null,clip:null,band:null,gaps:null,flags:1},D=z.stroke;let[P,A]=mt(e,n);if(null!=s.fill||0!=P){let l=z.fill=new Path2D(D),t=k(s.fillTo(e,n,s.min,s.max,P));_(l,S,t),_(l,M,t)}if(!s.spanGaps){let l=[];l.push(..._t(r,u,i,o,y,v,t)),z.gaps=l=s.gaps(e,n,i,o,l),z.clip=wt(l,a.ori,d,p,m,g)}return 0!=A&&(z.band=2==A?[xt(e,n,i,o,D,-1),xt(e,n,i,o,D,1)]:xt(e,n,i,o,D,A)),z}))}(Gt,l)}}return en}();
return { default: uPlot };
})();
const $ticks = (() => {
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [1, 2, 5, 10, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY];
const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120];
const MONTH = 30.4 * DAY;

const formats = (zone) => {
  const made = (options) => new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone });
  return {
    second: made({ hour: "2-digit", minute: "2-digit", second: "2-digit" }), minute: made({ hour: "2-digit", minute: "2-digit" }),
    day: made({ day: "numeric", month: "short" }), month: made({ month: "short", year: "numeric" }), year: made({ year: "numeric" }),
  };
};
const LOCAL = formats(undefined);
const UTC = formats("UTC");

function marks(first, last, room, step) {
  const names = step === "day" ? UTC : LOCAL;
  const length = Math.max(1, last - first);
  const least = step === "day" ? DAY : 1;
  const every = STEPS.find((size) => size >= least && length / size < room);
  const places = every ? regular(first, last, every, step === "day") : monthly(first, last, room, step === "day");
  const name = !every ? (length > 6 * 12 * MONTH ? "year" : "month") : every < MINUTE ? "second" : every < DAY ? "minute" : "day";
  const found = places.map((at) => ({ at, text: names[isMidnight(at, step) && every < DAY ? "day" : name].format(at * 1000) }));
  return found.length ? found : [{ at: (first + last) / 2, text: names[name].format((first + last) * 500) }];
}

function isMidnight(at, step) {
  const moment = new Date(at * 1000);
  return step === "day" ? at % DAY === 0 : moment.getHours() + moment.getMinutes() + moment.getSeconds() === 0;
}

function regular(first, last, every, isUtc) {
  const found = [];
  if (every < DAY) {
    const offset = isUtc ? 0 : new Date(first * 1000).getTimezoneOffset() * MINUTE;
    for (let at = Math.ceil((first - offset) / every) * every + offset; at <= last; at += every) found.push(at);
    return found;
  }
  const day = new Date(first * 1000);
  const next = () => (isUtc ? day.setUTCDate(day.getUTCDate() + every / DAY) : day.setDate(day.getDate() + every / DAY));
  if (isUtc) day.setUTCHours(0, 0, 0, 0);
  else day.setHours(0, 0, 0, 0);
  for (; day / 1000 <= last; next()) if (day / 1000 >= first) found.push(day / 1000);
  return found;
}

function monthly(first, last, room, isUtc) {
  const length = last - first;
  const every = MONTHS.find((count) => length / (count * MONTH) < room) || Math.ceil(length / (room * MONTH));
  const start = new Date(first * 1000);
  const year = isUtc ? start.getUTCFullYear() : start.getFullYear();
  const found = [];
  for (let month = 0; ; month += every) {
    const at = (isUtc ? Date.UTC(year, month) : new Date(year, month).getTime()) / 1000;
    if (at > last) return found;
    if (at >= first) found.push(at);
  }
}
return { marks: marks };
})();
const $chart = (() => {
const { html, useEffect, useRef, useState } = $html;
const { default: uPlot } = $vendor_uplot;
const { compact, number } = $format;
const { marks } = $ticks;

const HEIGHT = 168;
const LABEL_PX = 78;
const STEP_S = { hour: 3600, day: 86400, moment: 0 };
const OUTLIER = 20; // A value this many times the middle one flattens the others on an even scale.
const format = (options) => {
  const made = new Intl.DateTimeFormat(undefined, options);
  return (seconds) => made.format(new Date(seconds * 1000));
};
const LABELS = {
  hour: format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short" }),
  day: format({ day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }),
  moment: format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" }),
};
const INCREMENTS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
for (let size = 1; size <= 1e12; size *= 10) INCREMENTS.push(size, 2 * size, 5 * size);

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function isUneven(values) {
  const sizes = values.map(Math.abs).filter(Boolean).sort((a, b) => a - b);
  return sizes.length > 2 && sizes.at(-1) > OUTLIER * sizes[Math.floor((sizes.length - 1) / 2)];
}

function powers(low, high) {
  const found = [0];
  for (let size = 1; size <= high; size *= 10) found.push(size);
  for (let size = 1; size <= -low; size *= 10) found.unshift(-size);
  return found.length > 7 ? found.filter((_, n) => n % 2 === 0) : found;
}

function drawn(times, series, step, { uneven, view }) {
  const margin = series.some((one) => one.bars) ? STEP_S[step] * 0.55 : 0;
  const axis = { stroke: color("--quiet"), font: "12px system-ui", grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  const shapes = { bars: uPlot.paths.bars({ size: [0.7, 28], radius: 0.15 }), step: uPlot.paths.stepped({ align: 1 }) };
  const [first, last] = view || [times[0] - margin, times.at(-1) + margin];
  const placed = (self) => marks(first, last, Math.max(2, Math.floor(self.width / LABEL_PX)), step);
  return {
    height: HEIGHT, legend: { show: false }, padding: [8, 26, 0, 0],
    cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    scales: {
      x: { time: true, range: () => (first === last ? [first - 1800, last + 1800] : [first, last]) },
      y: { distr: uneven ? 4 : 1, range: (_, low, high) => [Math.min(0, low), (high || 1) * 1.08] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 40, splits: (self) => placed(self).map((mark) => mark.at), values: (self) => placed(self).map((mark) => mark.text) },
      { ...axis, size: 52, space: 34, ...(uneven ? { splits: (_, __, low, high) => powers(low, high), filter: (_, splits) => splits } : { incrs: INCREMENTS }), values: (_, ticks) => ticks.map(compact) },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label, stroke: color(one.color), width: one.bars ? 0 : 2, fill: one.bars ? color(one.color) : undefined,
      paths: one.bars ? shapes.bars : one.step ? shapes.step : undefined, points: { show: times.length === 1 },
    }))],
  };
}

function zoomed(times, view, factor) {
  const [first, last] = view || [times[0], times.at(-1)];
  const length = (last - first) * factor;
  const from = Math.max(times[0], (first + last) / 2 - length / 2);
  return length >= times.at(-1) - times[0] ? null : [from, Math.min(times.at(-1), from + length)];
}

function useTheme() {
  const [turn, set] = useState(0);
  useEffect(() => {
    const again = () => set((n) => n + 1);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("themechange", again);
    dark.addEventListener("change", again);
    return () => {
      removeEventListener("themechange", again);
      dark.removeEventListener("change", again);
    };
  }, []);
  return turn;
}

function Chart({ title, times, series, unit, step = "day", show = number }) {
  const box = useRef();
  const [at, setAt] = useState(null);
  const [view, setView] = useState(null);
  const [even, setEven] = useState(false);
  const theme = useTheme();
  const canBeUneven = isUneven(series.flatMap((one) => one.values));
  const uneven = canBeUneven && !even;
  useEffect(() => setView(null), [step, times[0]]);
  useEffect(() => {
    const data = [times, ...series.map((one) => one.values)];
    const selected = (self) => {
      const { left, width } = self.select;
      if (width < 8) return;
      setView([self.posToVal(left, "x"), self.posToVal(left + width, "x")]);
    };
    const plot = new uPlot({
      ...drawn(times, series, step, { uneven, view }), width: box.current.clientWidth || 300,
      hooks: { setCursor: [(self) => setAt(self.cursor.idx ?? null)], setSelect: [selected] },
    }, data, box.current);
    const watch = new ResizeObserver(([entry]) => plot.setSize({ width: entry.contentRect.width, height: HEIGHT }));
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [theme, step, uneven, JSON.stringify([view, times, series.map((one) => one.values)])]);
  const shown = at === null || at >= times.length ? null : at;
  const inView = (_, n) => !view || (times[n] >= view[0] && times[n] <= view[1]);
  const sum = (one) => one.values.filter(inView).reduce((total, value) => total + (value ?? 0), 0);
  return html`<figure class="chart">
    <figcaption><h3>${title} <span class="unit">${unit}${uneven ? ", logarithmic scale" : ""}</span></h3>
      <p class="legend">${series.map((one) => html`<span key=${one.label}><i class=${`dot ${one.color.slice(2)}`}></i>${one.label}
        <b>${show(shown === null ? (one.now ?? sum(one)) : one.values[shown])}</b></span>`)}
        <span class="quiet when">${shown !== null ? LABELS[step](times[shown]) : view ? `${LABELS[step](view[0])} – ${LABELS[step](view[1])}` : ""}</span></p>
    </figcaption>
    <div class="plot" ref=${box} aria-hidden="true"></div>
    <div class="tools"><${Numbers} title=${title} times=${times} series=${series} step=${step} show=${show} />
      <span class="zoom">${canBeUneven && html`<button class="small" aria-pressed=${even ? "true" : "false"} onClick=${() => setEven(!even)}>Even scale</button>`}
      ${times.length > 3 && html`<button class="small" aria-label=${`Zoom in: ${title}`} onClick=${() => setView(zoomed(times, view, 0.5))}>+</button>
        <button class="small" aria-label=${`Zoom out: ${title}`} disabled=${!view} onClick=${() => setView(zoomed(times, view, 2))}>−</button>`}
      ${view && html`<button class="small" onClick=${() => setView(null)}>Whole span</button>`}</span></div>
  </figure>`;
}

function Numbers({ title, times, series, step, show }) {
  const [open, set] = useState(false);
  return html`<details onToggle=${(event) => set(event.currentTarget.open)}><summary>As a table<span class="sr">: ${title}</span></summary>
    ${open && html`<div class="figures" tabindex="0" role="region" aria-label=${`${title}, as a table`}><table><caption class="sr">${title}</caption>
      <thead><tr><th scope="col">When</th>${series.map((one) => html`<th scope="col" class="num" key=${one.label}>${one.label}</th>`)}</tr></thead>
      <tbody>${times.map((at, n) => html`<tr key=${at}><th scope="row">${LABELS[step](at)}</th>
        ${series.map((one) => html`<td class="num" key=${one.label}>${show(one.values[n])}</td>`)}</tr>`)}</tbody></table></div>`}
  </details>`;
}
return { isUneven: isUneven, Chart: Chart };
})();
const $overview = (() => {
const { html, useEffect, useState } = $html;
const { get } = $api;
const { Chart } = $chart;
const { clock, number } = $format;
const { useLoad } = $loading;
const { href, setQuery } = $router;
const { Badge, Figures, Head, ReadState, Skeleton, Table } = $ui;

const RANGES = { "24h": ["24 hours", 1], "7d": ["7 days", 7], "30d": ["30 days", 30], "90d": ["90 days", 90] };
const REFRESH_MS = 10000;
const LATE_S = 40;

const seconds = (iso) => Date.parse(iso) / 1000;

function periods(stats, range) {
  if (range === "24h") return { step: "hour", rows: stats.hours.slice(-24), at: (row) => seconds(row.hour) };
  return { step: "day", rows: stats.days, at: (row) => seconds(`${row.day}T00:00:00Z`) };
}

function Overview({ query }) {
  const range = RANGES[query.range] ? query.range : "7d";
  const [, days] = RANGES[range];
  const stats = useLoad((signal) => get("/admin/stats", { days }, { signal }), [days]);
  const services = useLoad((signal) => get("/health/services", {}, { signal }).catch(degraded), []);
  const pages = [stats, services];
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") pages.forEach((page) => page.reload({ gently: true }));
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [days]);
  return html`<${Head} title="Overview">
      <${Live} page=${stats} />
      <div class="segments" role="group" aria-label="Range">${Object.entries(RANGES).map(([name, [label]]) => html`
        <button key=${name} aria-pressed=${name === range ? "true" : "false"} onClick=${() => setQuery({ range: name }, { replace: true })}>${label}</button>`)}</div>
    <//>
    <${State} page=${services} waiting=${stats.found?.deadLetters} />
    <${ReadState} page=${stats} />
    ${!stats.found && !stats.failure && html`<${Skeleton} rows=${8} label="Loading the figures" />`}
    ${stats.found && html`<${Totals} page=${stats} range=${range} />`}`;
}

function degraded(failure) {
  if (!failure.details?.services) throw failure;
  return failure.details;
}

function Live({ page }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  if (!page.at) return null;
  const age = Math.round((Date.now() - page.at) / 1000);
  const behind = page.failure || age > LATE_S;
  return html`<p class=${behind ? "live behind" : "live"} title="Refreshed every 10 seconds while the tab is visible">
    <i aria-hidden="true"></i>${behind ? `Not refreshed since ${clock(page.at)}` : `Live, ${age} s ago`}</p>`;
}

function State({ page, waiting }) {
  const services = page.found;
  if (!services) return page.failure ? html`<p class="state">The services cannot be read: ${page.failure.message}</p>` : null;
  const upstream = services.services?.ttt || services.ttt || {};
  const circuit = services.circuitBreaker?.state || services.services?.circuitBreaker?.state;
  const failures = upstream.consecutiveFailures;
  return html`<ul class="state" aria-label="State of the services">
    ${page.failure && html`<li><${Badge} tone="warn">as of ${clock(page.at)}<//></li>`}
    ${upstream.status && html`<li>Transcription <${Badge} tone=${upstream.status === "ok" ? "good" : upstream.status === "degraded" ? "warn" : "bad"}>${upstream.status}<//>
      ${failures > 0 && html`<span class="quiet">${failures} ${failures === 1 ? "failure" : "failures in a row"}</span>`}</li>`}
    ${circuit && html`<li>Circuit <${Badge} tone=${circuit === "closed" ? "good" : circuit === "open" ? "bad" : "warn"}>${circuit.replace("_", " ")}<//></li>`}
    ${["dynamodb", "ssm"].map((name) => services.services?.[name]?.status && services.services[name].status !== "ok" && html`
      <li key=${name}>${name === "ssm" ? "Secrets" : "Table"} <${Badge} tone="bad">${services.services[name].status}<//></li>`)}
    ${waiting !== undefined && waiting !== null && html`<li>Dead letters <${Badge} tone=${waiting ? "bad" : "good"}>${number(waiting)}<//></li>`}
  </ul>`;
}

function Totals({ page, range }) {
  const stats = page.found;
  const { step, rows, at } = periods(stats, range);
  const times = rows.map(at);
  const sum = (name) => rows.reduce((total, row) => total + (row[name] || 0), 0);
  const line = (label, name, color, shape = {}) => ({ label, color, values: rows.map((row) => row[name] || 0), ...shape });
  const within = `in ${RANGES[range][0]}`;
  const refused = stats.refusals.total;
  const codes = Object.entries(stats.refusals.byCode);
  return html`<${Figures} figures=${[
      ["Users", number(stats.totalUsers), { note: `${number(sum("newUsers"))} new ${within}`, to: href("users", "", { sort: "newest" }) }],
      ["In the system", number(stats.totalCredits), { note: `credits; ${number(stats.creditsAvailable)} available` }],
      ["Held", number(stats.creditsHeld), { note: "credits, in open holds" }],
      ...(stats.creditsOwed ? [["Owed", number(stats.creditsOwed), { cls: "warn", note: "credits, paid first by the next grants" }]] : []),
      ["Sold and given", number(stats.creditsAdded), { note: `credits; ${number(sum("added"))} ${within}` }],
      ["Spent", number(stats.creditsSpent), { note: `credits; ${number(sum("spent"))} ${within}` }],
      ["Returned", number(stats.creditsRefunded), { note: `credits; ${number(sum("refunded"))} ${within}`, to: href("transactions", "", { type: "refund" }) }],
      ["Refusals", number(refused), { note: refused ? codes.map(([code, count]) => `${number(count)} ${code.replaceAll("_", " ")}`).join(", ") : `none ${step === "hour" ? "today" : within}`, to: href("audit", "", { outcome: "refused" }) }],
    ]} />
    <div class="charts">
      <${Chart} title="Credits added and spent" unit=${`credits per ${step}`} step=${step} times=${times} series=${[line("added", "added", "--blue"), line("spent", "spent", "--accent")]} />
      <${Chart} title="Tokens, holds and returned credits" unit=${`tokens, holds and credits per ${step}`} step=${step} times=${times} series=${[line("tokens and holds", "vended", "--accent", { bars: true }), line("returned", "refunded", "--amber")]} />
      <${Chart} title="New users" unit=${`per ${step}`} step=${step} times=${times} series=${[line("new users", "newUsers", "--blue", { bars: true })]} />
      ${step === "day" && html`<${Chart} title="Refusals" unit=${`per ${step}`} step=${step} times=${times} series=${[line("refusals", "refusals", "--red", { bars: true })]} />`}
    </div>
    <${Sold} days=${step === "hour" ? stats.days.slice(-1) : stats.days} within=${step === "hour" ? "today (UTC)" : within} />
    <p class="quiet small">The figures come from the read models, which normally follow the ledger within a second. Days are UTC days.</p>`;
}

function Sold({ days, within }) {
  const sums = {};
  for (const { products = {} } of days) {
    for (const [code, { spent, holds }] of Object.entries(products)) {
      const sum = sums[code] ||= { code, spent: 0, holds: 0 };
      sum.spent += spent;
      sum.holds += holds;
    }
  }
  const rows = Object.values(sums).sort((one, other) => other.spent - one.spent || one.code.localeCompare(other.code));
  const columns = [
    { label: "Product", cls: "main", cell: ({ code }) => html`<a href=${href("products", code)}>${code}</a>` },
    { label: "Credits spent", cls: "num strong", cell: ({ spent }) => number(spent) },
    { label: "Holds placed", cls: "num", cell: ({ holds }) => number(holds) },
    { label: "Entries", cls: "act", cell: ({ code }) => html`<a href=${href("transactions", "", { product: code })} aria-label=${`Entries of ${code}`}>entries</a>` },
  ];
  return html`<section aria-labelledby="sold"><h2 id="sold">Sold by product <span class="unit">${within}</span></h2>
    ${rows.length ? html`<${Table} caption="Sold by product" columns=${columns} rows=${rows} rowKey=${({ code }) => code} />` : html`<p class="quiet">Nothing was sold ${within}.</p>`}</section>`;
}
return { Overview: Overview };
})();
const $products = (() => {
const { html, useState } = $html;
const { get } = $api;
const { Buttons, Dialog } = $dialog;
const { credits, isolated, number } = $format;
const { useLoad } = $loading;
const { href } = $router;
const { Badge, Empty, Field, Head, ReadState, say, Skeleton, Table } = $ui;
const { Refused, Unknown, useOutcome, useWrite } = $writes;

const SHOWN_UNITS = [1, 10, 100];
const UNITS = { call: "call", minute: "minute", thousand_characters: "1,000 characters", thousand_words: "1,000 words" };
const OVERAGES = { reject: "Refuse it", cap: "Charge at most what is held", owed: "Charge it, and owe what is missing" };
const FIGURES = { none: "Nothing: what was held is charged", duration: "The duration", words: "The number of words", characters: "The number of characters" };
const FIGURE_UNITS = { duration: "minute", words: "thousand_words", characters: "thousand_characters" };
const CODE = /^[a-z][a-z0-9_]{0,31}$/;

const MEMBERS = {
  label: ["Label", { text: /\S/, wrong: "A label of at most 80 characters.", most: 80 }],
  unit: ["Unit", { choices: UNITS }],
  creditsPerUnit: ["Credits a unit", { from: 1, to: 1000000 }],
  mostUnits: ["Most units of a hold", { from: 1, to: 1000000 }],
  overage: ["A charge beyond what is held", { choices: OVERAGES }],
  settledBy: ["A job is charged by", { choices: FIGURES }],
  leastUnits: ["Least units of a job", { from: 0, to: 1000000 }],
  lifetimeSeconds: ["Seconds that a hold is open", { from: 60, to: 86400 }],
  graceSeconds: ["Seconds of grace", { from: 20, to: 86400 }],
  scope: ["Scope of its tokens", { text: /^[a-z][a-z0-9:._-]{0,63}$/, wrong: "Small letters, digits and : . _ - only.", most: 64 }],
  audience: ["Audience of its tokens", { text: /^[a-z0-9][a-z0-9._:/-]{0,127}$/, wrong: "Small letters, digits and . _ : / - only.", most: 128 }],
};
const NEW = {
  code: "", version: 0, label: "", unit: "call", creditsPerUnit: 1, mostUnits: 1, overage: "reject", settledBy: "none", leastUnits: 0,
  lifetimeSeconds: 900, graceSeconds: 60, scope: "", audience: "", active: true,
};

const price = (product, units) => (units > product.mostUnits ? `more than one hold has (${number(product.mostUnits)})` : credits(units * product.creditsPerUnit));
const inWords = (name, value) => (name === "active" ? (value ? "on sale" : "off sale") : MEMBERS[name][1].choices?.[value] || (typeof value === "number" ? number(value) : value));
const Value = ({ name, value }) => (["scope", "audience"].includes(name) ? html`<code>${value}</code>` : inWords(name, value));
const each = (product) => `${credits(product.creditsPerUnit)} a ${UNITS[product.unit]}`;
const State = ({ product }) => html`<${Badge} tone=${product.active ? "good" : ""}>${product.active ? "on sale" : "off sale"}<//>`;

function Products({ session }) {
  const page = useLoad((signal) => get("/admin/products", {}, { signal }), []);
  const [isNew, setNew] = useState(false);
  const found = page.found?.products;
  const columns = [
    { label: "Product", cls: "main", cell: (product) => html`<a href=${href("products", product.code)}>${product.label}</a> <code class="why">${product.code}</code>` },
    { label: "Price", cls: "strong", cell: each },
    { label: "Most units", cls: "num", cell: (product) => number(product.mostUnits) },
    { label: "Version", cls: "num", cell: (product) => number(product.version) },
    { label: "State", cell: (product) => html`<${State} product=${product} />` },
  ];
  return html`<${Head} title="Products" page=${page} sub="What credits buy. An edit makes a new version; what was held or sold before keeps its own.">
      ${session.scopes.includes("admin") && found && html`<button class="primary" onClick=${() => setNew(true)}>New product</button>`}<//>
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${4} label="Loading products" />`}
    ${found && html`<${Table} caption="Products" columns=${columns} rows=${found} rowKey=${(product) => product.code} busy=${page.loading} />`}
    ${isNew && html`<${EditDialog} product=${NEW} onClose=${() => setNew(false)} onDone=${() => { setNew(false); page.reload(); }} />`}`;
}

function Product({ id, session }) {
  const page = useLoad((signal) => get(`/admin/products/${encodeURIComponent(id)}`, {}, { signal }), [id]);
  const [dialog, setDialog] = useState("");
  const versions = page.found?.versions;
  if (!versions) {
    const isUnknown = page.failure?.status === 404;
    return html`<${Head} title=${id} />${!page.failure ? html`<${Skeleton} rows=${8} label="Loading the product" />`
      : isUnknown ? html`<${Empty} title="There is no such product"><a href=${href("products")}>All products</a><//>` : html`<${ReadState} page=${page} />`}`;
  }
  const [newest] = versions;
  const done = () => {
    setDialog("");
    page.reload();
  };
  return html`<p class="crumbs"><a href=${href("products")}>Products</a></p>
    <${Head} title=${newest.label} page=${page} sub=${html`<code>${newest.code}</code> version ${newest.version} <${State} product=${newest} />`}>
      ${session.scopes.includes("admin") && html`<button class="primary" onClick=${() => setDialog("edit")}>Edit</button>
        <button onClick=${() => setDialog("switch")}>${newest.active ? "Take off sale" : "Put on sale"}</button>`}<//>
    <${ReadState} page=${page} />
    <section aria-labelledby="now" class="facts"><h2 id="now">Now</h2><${Facts} product=${newest} /></section>
    <section aria-labelledby="versions"><h2 id="versions">Versions</h2><${Versions} versions=${versions} /></section>
    ${dialog === "edit" && html`<${EditDialog} product=${newest} onClose=${() => setDialog("")} onDone=${done} />`}
    ${dialog === "switch" && html`<${EditDialog} product=${newest} change=${{ active: !newest.active }} onClose=${() => setDialog("")} onDone=${done} />`}`;
}

function Facts({ product }) {
  return html`<dl class="preview">${SHOWN_UNITS.map((units) => html`<div key=${units}><dt>Price of ${number(units)}</dt><dd>${price(product, units)}</dd></div>`)}
    ${Object.entries(MEMBERS).filter(([name]) => name !== "label").map(([name, [label]]) => html`<div key=${name}><dt>${label}</dt><dd><${Value} name=${name} value=${product[name]} /></dd></div>`)}</dl>`;
}

function Versions({ versions }) {
  const columns = [
    { label: "Version", cls: "strong", cell: ([version]) => `Version ${version.version}` },
    { label: "What it changed", cls: "main", cell: ([version, before]) => (before ? differences(before, version).map((change) => html`<${Change} ...${change} key=${change.label} />`) : "the first one") },
    { label: "Price", cell: ([version]) => each(version) },
    { label: "State", cell: ([version]) => html`<${State} product=${version} />` },
  ];
  const rows = versions.map((version, place) => [version, versions[place + 1]]);
  return html`<${Table} caption="Versions, newest first" columns=${columns} rows=${rows} rowKey=${([version]) => version.version} />`;
}

const Change = ({ label, name, from, to }) => html`<span class="change">${label}: <${Value} name=${name} value=${from} /> → <${Value} name=${name} value=${to} /></span>`;

function differences(before, after) {
  const names = [...Object.keys(MEMBERS), "active"].filter((name) => before[name] !== after[name]);
  return names.map((name) => ({ label: MEMBERS[name]?.[0] || "Sale", name, from: before[name], to: after[name] }));
}

function faults(draft) {
  const found = {};
  for (const [name, [, { text, wrong, most, from, to }]] of Object.entries(MEMBERS)) {
    const value = String(draft[name]).trim();
    if (text && (!text.test(value) || value.length > most)) found[name] = wrong;
    if (to && !(/^[0-9]{1,7}$/.test(value) && Number(value) >= from && Number(value) <= to)) found[name] = `A whole number from ${number(from)} to ${number(to)}.`;
  }
  if (!CODE.test(draft.code)) found.code = "Small letters, digits and _ only, a letter first, at most 32.";
  if (draft.settledBy !== "none" && FIGURE_UNITS[draft.settledBy] !== draft.unit) found.settledBy = `This figure is counted in ${UNITS[FIGURE_UNITS[draft.settledBy]]} units.`;
  if (!found.leastUnits && Number(draft.leastUnits) > Number(draft.mostUnits)) found.leastUnits = "Not more than the most units of a hold.";
  if (!found.mostUnits && draft.creditsPerUnit * draft.mostUnits > 1000000) found.mostUnits = "The most units may cost 1,000,000 credits.";
  return found;
}

const cleaned = (draft) => ({ ...draft, ...Object.fromEntries(Object.entries(MEMBERS).map(([name, [, { to }]]) => [name, to ? Number(draft[name]) : String(draft[name]).trim()])) });

function EditDialog({ product, change, onClose, onDone }) {
  const isNew = !product.version;
  const [draft, setDraft] = useState({ ...product, ...change });
  const [reason, setReason] = useState("");
  const [step, setStep] = useState(change ? "confirm" : "form");
  const [tried, setTried] = useState(false);
  const act = `product:${product.code || draft.code}`;
  const write = useWrite(act);
  useOutcome(act, (done) => (done ? onDone() : write.forget()));
  const wrong = faults(draft);
  const made = cleaned(draft);
  const set = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  const isChanged = isNew || differences(product, made).length > 0;
  const noReason = reason.trim() ? "" : "A reason is required. The audit keeps it.";
  const review = (event) => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(wrong).length || !isChanged) return;
    setTried(false);
    setStep("confirm");
  };
  const confirm = async (event) => {
    event.preventDefault();
    setTried(true);
    if (noReason || write.busy) return;
    const members = Object.fromEntries([...Object.keys(MEMBERS), "active"].map((name) => [name, made[name]]));
    const body = { ...members, code: made.code, version: product.version, reason: reason.trim() };
    const about = { kind: "product", code: made.code, version: product.version + 1, members, once: true, text: `Save version ${product.version + 1} of “${isolated(made.code)}”` };
    const answer = await write.send("/admin/products", body, about);
    if (!answer) return;
    say(`“${isolated(made.label)}” is saved as version ${answer.product.version}. New holds have it within half a minute.`);
    onDone();
  };
  const title = isNew ? "New product" : change ? (change.active ? "Put this product on sale?" : "Take this product off sale?") : `Edit ${product.label}`;
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  if (step === "confirm") {
    const isOvertaken = write.failure?.code === "product_changed";
    return html`<${Dialog} title=${change ? title : `Save version ${product.version + 1}?`} step="confirm" onClose=${onClose} busy=${write.busy}><form class="stack" onSubmit=${confirm} novalidate>
      <${Difference} before=${product} after=${made} isNew=${isNew} />
      <${Field} label="Reason" error=${tried && noReason}>
        ${(given) => html`<input ...${given} dir="auto" data-first maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      ${isOvertaken ? html`<${Overtaken} failure=${write.failure} isNew=${isNew} />` : html`<${Refused} failure=${write.failure} />`}
      <${Buttons} back=${isOvertaken ? "Show the newest version" : change ? "Cancel" : "Back"} onBack=${isOvertaken ? onDone : change ? onClose : () => { write.forget(); setStep("form"); }} busy=${write.busy} doing="Saving…"
        act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Save"} /></form><//>`;
  }
  return html`<${Dialog} title=${title} step="form" cls="wide" onClose=${onClose}>
    <form class="stack" onSubmit=${review} novalidate>
      ${isNew && html`<${Field} label="Code" hint="Callers and entries name the product by it. It cannot be changed." error=${tried && wrong.code}>
        ${(given) => html`<input ...${given} data-first autocomplete="off" autocapitalize="none" spellcheck=${false} maxlength="32" value=${draft.code} onInput=${set("code")} />`}<//>`}
      <div class="pairs">${Object.entries(MEMBERS).map(([name, [label, { choices, to, most }]], place) => html`<${Field} key=${name} label=${label} error=${tried && wrong[name]}>
        ${(given) => (choices ? html`<select ...${given} value=${draft[name]} onChange=${set(name)}>${Object.entries(choices).map(([value, text]) => html`<option value=${value} selected=${value === draft[name]} key=${value}>${text}</option>`)}</select>`
          : html`<input ...${given} data-first=${!isNew && !place ? true : undefined} inputmode=${to ? "numeric" : undefined} maxlength=${most || 7} autocomplete="off" value=${draft[name]} onInput=${set(name)} />`)}<//>`)}</div>
      <${Prices} product=${made} wrong=${wrong} />
      ${tried && !isChanged && html`<p class="error" role="alert">Nothing differs from version ${product.version}.</p>`}
      ${tried && Object.keys(wrong).length > 0 && html`<p class="error" role="alert">Some of these members are not right yet.</p>`}
      <${Buttons} back="Cancel" onBack=${onClose} act="Review" />
    </form><//>`;
}

function Prices({ product, wrong }) {
  const isKnown = !wrong.creditsPerUnit && !wrong.mostUnits;
  return html`<p class="quiet" role="status">${isKnown ? SHOWN_UNITS.map((units) => `${number(units)}: ${price(product, units)}`).join(" · ") : "The prices are shown once credits and units are right."}</p>`;
}

function Difference({ before, after, isNew }) {
  const changes = isNew ? Object.entries(MEMBERS).map(([name, [label]]) => ({ label, name, to: after[name] })) : differences(before, after);
  const prices = SHOWN_UNITS.map((units) => [`Price of ${number(units)}`, isNew ? "" : price(before, units), price(after, units)]);
  return html`<dl class="preview difference">
      ${changes.map(({ label, name, from, to }) => html`<div key=${label}><dt>${label}</dt><dd>${isNew ? "" : html`<s><${Value} name=${name} value=${from} /></s> → `}<b><${Value} name=${name} value=${to} /></b></dd></div>`)}
      ${prices.map(([label, from, to]) => html`<div key=${label}><dt>${label}</dt><dd>${from && from !== to ? html`<s>${from}</s> → ` : ""}<b>${to}</b></dd></div>`)}</dl>
    <p class="quiet">${isNew ? "" : "Open holds and sold tokens keep their version. "}${after.active ? "" : "No new hold or token of it can be had; open ones are settled as before."}</p>`;
}

function Overtaken({ failure, isNew }) {
  return html`<div class="trouble compact" role="alert"><p class="title">${isNew ? "There is a product with this code already." : `Somebody else saved version ${failure.details.version} meanwhile.`}</p>
    <p>Nothing was changed by this edit. Look at the newest version, then make the edit again.</p></div>`;
}
return { Products: Products, Product: Product };
})();
const $shell = (() => {
const { html, useEffect, useRef, useState } = $html;
const { call } = $api;
const { Working } = $progress;
const { href, usePlace } = $router;
const { say } = $ui;
const { UnknownWrites } = $writes;

const LINKS = [
  ["", "Overview"], ["users", "Users"], ["transactions", "Transactions"],
  ["products", "Products"], ["subscriptions", "Subscriptions"], ["keys", "API keys"], ["audit", "Audit"],
];
const THEMES = { auto: "System", light: "Light", dark: "Dark" };

function applyTheme(theme = stored()) {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  dispatchEvent(new Event("themechange"));
}

function stored() {
  try {
    return localStorage.getItem("theme") || "auto";
  } catch {
    return "auto";
  }
}

function Theme() {
  const [theme, set] = useState(stored);
  const choose = (event) => {
    set(event.target.value);
    try {
      localStorage.setItem("theme", event.target.value);
    } catch { /* A browser that stores nothing forgets the choice. */ }
    applyTheme(event.target.value);
  };
  return html`<label class="theme"><span>Theme</span>
    <select value=${theme} onChange=${choose}>${Object.entries(THEMES).map(([value, label]) => html`<option value=${value}>${label}</option>`)}</select>
  </label>`;
}

function Shell({ session, onOut, children }) {
  const { page, id } = usePlace();
  const [open, setOpen] = useState(false);
  const main = useRef();
  const first = useRef(true);
  const menu = useRef();
  useEffect(() => {
    setOpen(false);
    if (first.current) first.current = false;
    else main.current.querySelector("h1")?.focus();
  }, [page, id]);
  const leave = async (path) => {
    try {
      await call("DELETE", path);
      onOut();
    } catch (failure) {
      if (failure.status === 401) onOut();
      else say(failure.message, { tone: "bad" });
    }
  };
  const escape = (event) => {
    if (event.key !== "Escape" || !open) return;
    setOpen(false);
    menu.current.focus();
  };
  return html`<div class="shell">
    <a class="skip" href="#main">Skip to the page</a>
    <${Working} />
    <div class=${open ? "side open" : "side"} onKeyDown=${escape}>
      <div class="brand"><a href=${href()}><span class="mark" aria-hidden="true">P</span> Pluct</a>
        ${session.environment !== "prod" && html`<span class="badge env">${session.environment}</span>`}
        <button class="menu" ref=${menu} aria-expanded=${open ? "true" : "false"} aria-controls="nav" onClick=${() => setOpen(!open)}>Menu</button>
      </div>
      <nav id="nav" aria-label="Pages of the dashboard">${LINKS.map(([name, label]) => html`
        <a href=${href(name)} aria-current=${name === page ? "page" : undefined} key=${name}>${label}</a>`)}</nav>
      <footer>
        <p class="me"><strong>${session.name}</strong><span class="quiet">${session.role}</span></p>
        <${Theme} />
        <button class="quiet-button" onClick=${() => leave("/dashboard/session")}>Log out</button>
        <button class="quiet-button" onClick=${() => leave("/dashboard/sessions")}>Log out everywhere</button>
      </footer>
    </div>
    <main id="main" ref=${main} tabindex="-1"><${UnknownWrites} />${children}</main>
  </div>`;
}
return { applyTheme: applyTheme, Shell: Shell };
})();
const $subscriptions = (() => {
const { html, useState } = $html;
const { get } = $api;
const { Chart } = $chart;
const { Buttons, Dialog } = $dialog;
const { clock, dollarChange, dollars, number, Time, zone } = $format;
const { useLoad } = $loading;
const { href, setQuery } = $router;
const { Badge, Empty, Field, Figures, Head, Pager, Quoted, ReadState, say, Skeleton, Table } = $ui;
const { moved, who, why } = $words;
const { Refused, Unknown, useOutcome, useUnknown, useWrite } = $writes;

const PAGE = 50;
const PLANS = { basic: "Basic", pro: "Pro", enterprise: "Enterprise" };
const POLICIES = { "": "As set for this deployment", reset: "Renew the allowance", block: "Block", top_up: "Wait for a top-up" };
const MOODS = { active: "good", live: "good", current: "good", blocked: "bad", disabled: "", deleted: "", retired: "" };

const State = ({ state }) => html`<${Badge} tone=${MOODS[state] ?? "warn"}>${String(state).replaceAll("_", " ")}<//>`;

const COLUMNS = [
  { label: "User", cls: "main", cell: (one) => html`<a class="id" href=${href("subscriptions", one.userId)}>${one.userId}</a>
    ${one.email && html`<span class="why"><bdi>${one.email}</bdi></span>`}` },
  { label: "Left", cls: "num strong", cell: (one) => dollars(one.remaining_credits) },
  { label: "Used", cls: "num", cell: (one) => dollars(one.used_credits) },
  { label: "Plan", cell: (one) => PLANS[one.plan] || one.plan },
  { label: "State", cell: (one) => html`<${State} state=${one.state} />` },
  { label: "Since", cls: "when", cell: (one) => html`<${Time} at=${one.createdAt} style="day" />` },
];

function Subscriptions({ query }) {
  const prefix = query.q || "";
  const page = useLoad((signal) => get("/admin/subscriptions", { prefix, cursor: query.cursor, limit: PAGE }, { signal }), [prefix, query.cursor]);
  const found = page.found?.subscriptions;
  const look = (event) => {
    event.preventDefault();
    setQuery({ q: String(new FormData(event.currentTarget).get("q")).trim() });
  };
  return html`<${Head} title="Subscriptions" page=${page} />
    <form class="bar" role="search" onSubmit=${look}><div class="search"><label class="sr" for="q">User id begins with</label>
      <input id="q" name="q" type="search" placeholder="User id begins with…" autocomplete="off" maxlength="128" key=${prefix} defaultValue=${prefix} /></div><button>Search</button></form>
    <${Absent} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${8} label="Loading subscriptions" />`}
    ${found && (found.length ? html`<${Table} caption="Subscriptions" columns=${COLUMNS} rows=${found} rowKey=${(one) => one.userId} busy=${page.loading} />
      <${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun="subscriptions" />`
      : html`<${Empty} title=${prefix ? `No subscriber's id begins with “${prefix}”` : "There are no subscriptions yet"}>The first call of POST /api/key creates one.<//>`)}`;
}

function Absent({ page }) {
  if (page.failure?.code !== "route_not_found") return html`<${ReadState} page=${page} />`;
  return html`<${Empty} title="This gateway has no subscription service">It is not part of this deployment.<//>`;
}

function Subscription({ id, session }) {
  const path = `/admin/subscriptions/${encodeURIComponent(id)}`;
  const page = useLoad((signal) => get(path, {}, { signal }), [id]);
  const [act, setAct] = useState(null);
  const one = page.found;
  if (!one) {
    return html`<${Head} title=${id} />${!page.failure ? html`<${Skeleton} rows=${10} label="Loading the subscription" />`
      : page.failure.code === "not_found" ? html`<${Empty} title="There is no such subscription"><a href=${href("subscriptions")}>All subscriptions</a><//>` : html`<${Absent} page=${page} />`}`;
  }
  const done = () => {
    setAct(null);
    page.reload();
  };
  const mayChange = session.scopes.includes("subscriptions:write");
  const isBlocked = one.state === "blocked";
  const person = [one.username, one.email].filter(Boolean).join(" · ");
  return html`<p class="crumbs"><a href=${href("subscriptions")}>Subscriptions</a></p>
    <${Head} title=${one.userId} page=${page} sub=${html`<${State} state=${one.state} /> <bdi>${person}</bdi>`}>
      ${mayChange && html`<button class="primary" onClick=${() => setAct("adjust")}>Add or deduct</button>
        <button onClick=${() => setAct("plan")}>Change plan</button><button onClick=${() => setAct("rotate")}>Rotate key</button>
        <button class=${isBlocked ? "" : "danger"} onClick=${() => setAct(isBlocked ? "unblock" : "block")}>${isBlocked ? "Unblock" : "Block"}</button>`}<//>
    <${ReadState} page=${page} />
    <${Figures} cls="small" figures=${[
      ["Left", one.unlimited ? "unlimited" : dollars(one.remaining_credits), { cls: "big" }], ["Of", dollars(one.total_credits)], ["Plan", PLANS[one.plan] || one.plan],
      ["In keys", dollars(one.held_credits)], ["Available", dollars(one.available_credits)],
    ]} />
    <p class="runway">At the present rate: ${one.runway || "unknown"}.</p>
    <${Verdict} page=${page} />
    <div class="columns"><section aria-labelledby="keys"><h2 id="keys">Keys and rotations</h2><${Keys} keys=${one.keys} current=${one.currentKey} />
      <h2 class="later">Ledger</h2><${Moves} entries=${one.transactions} /></section>
      <aside><${Spend} days=${one.days} /></aside></div>
    ${act && html`<${Act} key=${act} act=${act} path=${path} one=${one} session=${session} onClose=${() => setAct(null)} onDone=${done} />`}`;
}

function Verdict({ page }) {
  const { verification: check, userId } = page.found;
  const unknown = useUnknown().some((write) => write.about.user === userId);
  if (!check.ok) return html`<p class="verdict bad" role="alert"><${Badge} tone="bad">Does not add up<//> ${check.findings.map((finding) => finding.text).join(" ")}</p>`;
  if (page.failure || unknown) return html`<p class="verdict"><${Badge} tone="warn">Out of date<//> At ${clock(page.at)} the ledger added up. ${unknown ? "The outcome of a change sent since is not known yet." : "It could not be read since."}</p>`;
  return html`<p class="verdict good"><${Badge} tone="good">Adds up<//> Checked at ${clock(page.at)}: ${number(check.entries)} ${check.entries === 1 ? "entry explains" : "entries explain"} this balance.</p>`;
}

const keyColumns = (current) => [
  { label: "Key", cls: "main", cell: (key) => html`<code>${key.name}</code> ${key.number === current && html`<${Badge} tone="good">current<//>`}` },
  { label: "Used", cls: "num strong", cell: (key) => dollars(key.used_credits) },
  { label: "Limit", cls: "num", cell: (key) => dollars(key.limit_credits) },
  { label: "State", cell: (key) => html`<${State} state=${key.state} />` },
  { label: `Created (${zone()})`, cls: "when", cell: (key) => html`<${Time} at=${key.createdAt} />` },
];

function Keys({ keys, current }) {
  if (!keys.length) return html`<${Empty} title="No key was created yet" />`;
  return html`<${Table} caption="Keys, newest first" columns=${keyColumns(current)} rows=${keys} rowKey=${(key) => key.number} />`;
}

const Amount = ({ micros, after }) => html`<b class=${micros > 0 ? "up" : ""}>${dollarChange(micros)}</b> <span class="quiet small">→ ${dollars(after / 1e6)}</span>`;

const moves = () => [
  { label: `When (${zone()})`, cls: "when", cell: (entry) => html`<${Time} at=${entry.timestamp} />` },
  { label: "What", cls: "main", cell: (entry) => html`${moved(entry)}${entry.subject && html`<span class="why">${entry.subject}</span>`}${why(entry) && html`<${Quoted}>${why(entry)}<//>`}` },
  { label: "By", cls: "by", cell: (entry) => html`<span title=${entry.actor}>${who(entry.actor)}</span>` },
  { label: "Available", cls: "num strong", cell: (entry) => html`<${Amount} micros=${entry.amount} after=${entry.balanceAfter} />` },
  { label: "In keys", cls: "num", cell: (entry) => html`<${Amount} micros=${entry.heldChange} after=${entry.heldAfter} />` },
];

function Moves({ entries }) {
  if (!entries.length) return html`<${Empty} title="There is no entry yet" />`;
  return html`<${Table} caption="Entries, newest first: the change and the balance after it" columns=${moves()} rows=${entries} rowKey=${(entry) => entry.seq} />`;
}

function Spend({ days }) {
  if (!days?.length) return null;
  const oldest = [...days].reverse();
  return html`<${Chart} title="Used by day" unit="in US dollars" show=${dollars} times=${oldest.map((day) => Date.parse(`${day.day}T00:00:00Z`) / 1000)}
    series=${[{ label: "used", color: "--accent", values: oldest.map((day) => day.used_credits), bars: true }]} />`;
}

const ACTS = {
  adjust: ["Add or deduct", "Send", "One credit is one US dollar. A minus deducts from what no key holds."],
  plan: ["Change the plan", "Change it", "The balance stays; the plan decides the next allowance."],
  rotate: ["Rotate the key now?", "Rotate", "A new key is created and handed out. The old key works for a short time, and its use is charged until it ends."],
  block: ["Block this subscription?", "Block", "The current key is disabled at once. The balance stays."],
  unblock: ["Unblock this subscription?", "Unblock", "The next call gets a key again."],
};
const DONE = { adjust: "The balance is changed.", plan: "The plan is changed.", rotate: "The key is rotated.", block: "The subscription is blocked.", unblock: "The subscription is unblocked." };

function aboutOf(act, one, given, session) {
  const entry = { kind: "subscriptionEntry", after: one.transactions[0]?.seq || 0, reason: given.reason, actor: `operator:${session.name}`, once: true };
  const lookups = {
    adjust: () => ({ ...entry, type: Number(given.amount) < 0 ? "admin_deduct" : "admin_add", amount: Math.round(Number(given.amount) * 1e6) }),
    plan: () => ({ ...entry, type: "plan_change" }),
    rotate: () => ({ kind: "subscription", member: "currentKey", not: one.currentKey }),
    block: () => ({ kind: "subscription", member: "state", value: "blocked", once: true }),
    unblock: () => ({ kind: "subscription", member: "state", value: "active", once: true }),
  };
  return { user: one.userId, text: `${ACTS[act][0].replace("?", "")}${given.amount ? ` ${given.amount} dollars` : ""} · ${one.userId}`, ...lookups[act]() };
}

function Act({ act, path, one, session, onClose, onDone }) {
  const [title, verb, text] = ACTS[act];
  const [wrong, setWrong] = useState({});
  const name = `subscription:${act}:${one.userId}`;
  const write = useWrite(name);
  useOutcome(name, (done) => done && onDone());
  const submit = async (event) => {
    event.preventDefault();
    if (write.busy) return;
    const given = Object.fromEntries([...new FormData(event.currentTarget)].map(([field, value]) => [field, value.trim()]).filter(([, value]) => value));
    const found = {
      amount: act === "adjust" && (!/^-?[0-9]{1,6}(\.[0-9]{1,6})?$/.test(given.amount || "") || Number(given.amount) === 0) && "An amount such as 5, 2.50 or -1.",
      reason: !given.reason && "A reason is required. It is kept.",
    };
    setWrong(found);
    if (found.amount || found.reason) return;
    if (!(await write.send(`${path}/${act}`, given, aboutOf(act, one, given, session)))) return;
    say(`${DONE[act]} ${one.userId}.`);
    onDone();
  };
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}><form class="stack" onSubmit=${submit} onInput=${write.forget} novalidate>
    <p>${text}</p>
    ${act === "adjust" && html`<${Field} label="Amount in dollars" error=${wrong.amount} hint=${`Available: ${dollars(one.available_credits)}`}>${(given) => html`<input ...${given} data-first name="amount" inputmode="decimal" autocomplete="off" />`}<//>`}
    ${act === "plan" && html`<${Field} label="Plan">${(given) => html`<select ...${given} data-first name="plan" defaultValue=${one.plan}>${Object.entries(PLANS).map(([value, label]) => html`<option value=${value} selected=${value === one.plan} key=${value}>${label}</option>`)}</select>`}<//>
      <${Field} label="When it is used up">${(given) => html`<select ...${given} name="policy">${Object.entries(POLICIES).map(([value, label]) => html`<option value=${value} selected=${value === (one.policy || "")} key=${value}>${label}</option>`)}</select>`}<//>`}
    <${Field} label="Reason" error=${wrong.reason}>${(given) => html`<input ...${given} data-first=${!["adjust", "plan"].includes(act) || undefined} dir="auto" name="reason" maxlength="200" autocomplete="off" />`}<//>
    <${Refused} failure=${write.failure} />
    <${Buttons} back="Cancel" onBack=${onClose} busy=${write.busy} doing="Sending…" danger=${act === "block"} act=${write.failure?.definite ? "" : write.failure ? "Try again" : verb} />
  </form><//>`;
}
return { Subscriptions: Subscriptions, Subscription: Subscription };
})();
const $transactions = (() => {
const { html, useState } = $html;
const { call, get, withQuery } = $api;
const { Alike, DayFields, daysOf, Filters, UserField, userOf } = $filters;
const { change, number, Time, today, zone } = $format;
const { useLoad } = $loading;
const { href, setQuery } = $router;
const { Empty, Field, Head, Pager, Quoted, ReadState, say, Skeleton, Table } = $ui;
const { actorOf, happened, tone, TYPES, who, why } = $words;

const PAGE = 50;
const NAMES = ["user", "type", "product", "actor", "fromDay", "toDay", "minAmount", "maxAmount"];

const columns = () => [
  { label: `When (${zone()})`, cls: "when", cell: (entry) => html`<${Time} at=${entry.timestamp} />` },
  { label: "What", cls: "main", cell: (entry) => html`<a href=${href("users", entry.userId, { entry: entry.seq })}>${happened(entry)}</a>
    ${why(entry) && html`<${Quoted}>${why(entry)}<//>`}` },
  { label: "User", cls: "who", cell: (entry) => html`<a class="id" href=${href("users", entry.userId)}>${entry.userId}</a>` },
  { label: "By", cls: "by", cell: (entry) => html`<span title=${[entry.actor, entry.address].filter(Boolean).join(" from ")}>${who(entry.actor)}</span>` },
  { label: "Change", cls: "num strong", cell: (entry) => html`<span class=${tone(entry)}>${change(entry.amount)}</span>` },
  { label: "Balance", cls: "num", cell: (entry) => html`${number(entry.balanceAfter)}${entry.owedAfter ? html` <span class="why">owed ${number(entry.owedAfter)}</span>` : ""}` },
];

function Transactions({ query }) {
  const wanted = { ...Object.fromEntries(NAMES.map((name) => [name, query[name] || ""])), ...daysOf(query) };
  const page = useLoad(
    (signal) => get("/admin/transactions", { ...wanted, cursor: query.cursor, limit: PAGE }, { signal }),
    [wanted, query.cursor],
  );
  const found = page.found?.transactions;
  const isFiltered = NAMES.some((name) => wanted[name]);
  return html`<${Head} title="Transactions" page=${page}><${Csv} wanted=${wanted} /><//>
    <${Wanted} key=${JSON.stringify(wanted)} wanted=${wanted} isFiltered=${isFiltered} />
    <${ReadState} page=${page} />
    ${!found && !page.failure && html`<${Skeleton} rows=${10} label="Loading transactions" />`}
    ${found && (found.length ? html`
      <${Table} caption="Transactions, newest first" columns=${columns()} rows=${found} rowKey=${(entry) => entry.id} busy=${page.loading} />`
      : html`<${Nothing} next=${page.found.nextCursor} isFiltered=${isFiltered} user=${wanted.user} />`)}
    ${found && html`<${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "transaction" : "transactions"} />`}`;
}

const clear = () => setQuery({ ...Object.fromEntries(NAMES.map((name) => [name, ""])), day: "" });

function Nothing({ next, isFiltered, user }) {
  if (next) return html`<${Empty} title="No match among the entries searched so far">There are older ones to search: go on with Next.<//>`;
  if (!isFiltered) return html`<${Empty} title="There is no transaction yet">The first credit makes the first line.<//>`;
  return html`<${Empty} title="Nothing matches these filters"><${Alike} prefix=${user} /> <button class="link" onClick=${clear}>Show everything</button><//>`;
}

function Wanted({ wanted, isFiltered }) {
  const apply = async (given) => setQuery({ ...given, day: "", user: await userOf(given.user), actor: actorOf(given.actor) });
  const text = (name, label, attributes) => html`<${Field} label=${label}>${(given) => html`<input ...${given} name=${name} defaultValue=${wanted[name]} autocomplete="off" ...${attributes} />`}<//>`;
  const whole = { inputmode: "numeric", pattern: "[0-9]{1,12}", title: "A whole number" };
  const types = wanted.type && !TYPES[wanted.type] ? { ...TYPES, [wanted.type]: wanted.type } : TYPES;
  return html`<${Filters} count=${NAMES.filter((name) => wanted[name]).length} apply=${apply}>
    <${UserField} label="User" name="user" value=${wanted.user} placeholder="id begins with…" />
    <${Field} label="Type">${(given) => html`<select ...${given} name="type"><option value="">All</option>
      ${Object.entries(types).map(([value, label]) => html`<option value=${value} selected=${value === wanted.type} key=${value}>${label}</option>`)}</select>`}<//>
    ${text("product", "Product", { placeholder: "transcript", maxlength: 32, pattern: "[a-z][a-z0-9_]*", title: "The code of a product", autocapitalize: "none" })}
    ${text("actor", "By", { placeholder: "anna or webhook:payment", maxlength: 160 })}
    <${DayFields} fromDay=${wanted.fromDay} toDay=${wanted.toDay} />
    ${text("minAmount", "Amount from", whole)}
    ${text("maxAmount", "Amount to", whole)}
    <div class="buttons"><button class="primary">Filter</button>${isFiltered && html`<button type="button" onClick=${clear}>Clear</button>`}</div>
  <//>`;
}

async function allLines(wanted, onCount) {
  let lines = [];
  let cursor = "";
  do {
    const answer = await call("GET", withQuery("/admin/transactions", { ...wanted, cursor, format: "csv" }), { text: true });
    const [head, ...rest] = splitLines(answer.text);
    lines = lines.length ? lines.concat(rest) : [head, ...rest];
    cursor = answer.headers.get("x-next-cursor") || "";
    onCount(lines.length - 1);
  } while (cursor);
  return lines;
}

function splitLines(text) {
  const lines = [];
  let from = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') quoted = !quoted;
    if (text[at] === "\n" && !quoted) {
      lines.push(text.slice(from, at + 1));
      from = at + 1;
    }
  }
  return from < text.length ? [...lines, text.slice(from)] : lines;
}

function Csv({ wanted }) {
  const [count, setCount] = useState(null);
  const download = async () => {
    setCount(0);
    try {
      const lines = await allLines(wanted, setCount);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob(["\ufeff", ...lines], { type: "text/csv" }));
      link.download = `transactions-${wanted.toDay || today()}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      say(`${number(lines.length - 1)} transactions are in the file.`);
    } catch (failure) {
      if (!failure.loggedOut) say(`The file could not be created. ${failure.message}`, { tone: "bad" });
    }
    setCount(null);
  };
  return html`<button disabled=${count !== null} onClick=${download}>${count === null ? "Download CSV" : `${number(count)} lines…`}</button>`;
}
return { Transactions: Transactions };
})();
const $adjust = (() => {
const { html, useState } = $html;
const { get } = $api;
const { Buttons, Dialog } = $dialog;
const { change, clock, credits, number } = $format;
const { useLoad } = $loading;
const { Field, say, Trouble } = $ui;
const { Refused, Unknown, useOutcome, useWrite } = $writes;

const MOST = 1000000;
const KINDS = {
  add: {
    title: "Add credits", ask: "Add these credits?", path: "/admin/add-credits", type: "admin_add", sign: 1, done: "added",
    act: (size) => `Add ${credits(size)}`, reasons: ["Transcription was wrong", "Paid, but not credited", "Goodwill", "Test"],
  },
  deduct: {
    title: "Deduct credits", ask: "Deduct these credits?", path: "/admin/deduct-credits", type: "admin_deduct", sign: -1, done: "deducted",
    act: (size) => `Deduct ${credits(size)}`, reasons: ["Credited twice", "Payment was refunded", "Test"],
  },
};

const read = (userId, signal) => get(`/admin/users/${encodeURIComponent(userId)}`, {}, { signal })
  .then((user) => ({ balance: user.balance, owed: user.owed || 0, seq: user.transactions[0]?.seq || 0 }));

function BalanceNow({ page, userId }) {
  if (page.failure && !page.found) return html`<${Trouble} failure=${page.failure} retry=${page.reload} />`;
  return html`<p class="quiet">User <span class="id">${userId}</span>. ${page.found ? `Available: ${credits(page.found.balance)}, read at ${clock(page.at)}.` : "Reading the balance…"}</p>`;
}

function sayDone(userId, made, expected, done, onDone) {
  const moved = made.newBalance !== expected ? ` The balance had changed since the preview, so it is not ${number(expected)}.` : "";
  const text = made.replayed ? `This had been carried out before; the balance of ${userId} was ${number(made.newBalance)} then.`
    : `The balance of ${userId} is ${number(made.newBalance)}.${moved}`;
  say(`${credits(Math.abs(made.amount - made.owedChange))} ${done}. ${text}`, { action: { label: "Undo", run: () => onDone({ undo: made }) } });
}

function AdjustDialog({ kind, userId, session, onClose, onDone }) {
  const how = KINDS[kind];
  const [amount, setAmount] = useState("");
  const [reason, setReason] = useState("");
  const [step, setStep] = useState("form");
  const [seen, setSeen] = useState(null);
  const [checking, setChecking] = useState(false);
  const [unread, setUnread] = useState(null);
  const [tried, setTried] = useState(false);
  const now = useLoad((signal) => read(userId, signal), [userId]);
  const act = `${kind}:${userId}`;
  const write = useWrite(act);
  useOutcome(act, (done) => (done ? onDone({}) : write.forget()));
  const size = /^[0-9]{1,7}$/.test(amount) ? Number(amount) : NaN;
  const { balance, owed } = seen || now.found || {};
  const paid = kind === "add" ? Math.min(owed, size) || 0 : 0;
  const after = balance + how.sign * size - paid;
  const wrong = {
    amount: !(size >= 1 && size <= MOST) ? `A whole number from 1 to ${number(MOST)}.`
      : after < 0 ? `Only ${credits(balance)} can be deducted.` : "",
    reason: reason.trim() ? "" : "A reason is required. The ledger keeps it permanently.",
  };
  const review = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong.amount && !(seen && after < 0) || wrong.reason || checking) return;
    setChecking(true);
    setUnread(null);
    try {
      setSeen(await read(userId));
      setStep("confirm");
    } catch (failure) {
      if (!failure.loggedOut) setUnread(failure);
    }
    setChecking(false);
  };
  const confirm = async (event) => {
    event.preventDefault();
    if (write.busy || after < 0) return;
    const body = { userId, amount: size, reason: reason.trim() };
    const about = {
      kind: "entry", user: userId, after: seen.seq, type: how.type, amount: how.sign * size, reason: body.reason,
      actor: `operator:${session.name}`, once: true, text: `${how.act(size)} · ${userId}`,
    };
    const made = await write.send(how.path, body, about);
    if (!made) return;
    sayDone(userId, { ...made, amount: how.sign * size - paid, owedChange: -paid }, after, how.done, onDone);
    onDone({});
  };
  if (write.pending) {
    return html`<${Dialog} title=${how.title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  if (step === "confirm") {
    const blocked = after < 0 || write.failure?.definite;
    return html`<${Dialog} title=${how.ask} step="confirm" onClose=${onClose} busy=${write.busy}><form class="stack" onSubmit=${confirm}>
      <${Preview} userId=${userId} balance=${seen.balance} size=${how.sign * size} owed=${-paid} reason=${reason.trim()} />
      ${after < 0 && html`<p class="error" role="alert">The balance fell to ${number(balance)} since the dialog was opened, so this amount cannot be deducted.</p>`}
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Back" onBack=${() => { write.forget(); setStep("form"); }} busy=${write.busy} doing="Sending…" danger=${kind === "deduct"} first=${true}
        act=${blocked ? "" : write.failure ? "Try again" : how.act(size)} /></form><//>`;
  }
  return html`<${Dialog} title=${how.title} step="form" onClose=${onClose}>
    <form class="stack" onSubmit=${review} novalidate>
      <${BalanceNow} page=${now} userId=${userId} />
      <${Field} label="Credits" error=${tried && wrong.amount} hint=${Number.isNaN(after) || after < 0 ? "" : `New balance: ${number(after)}${paid ? `; ${number(paid)} pays what is owed` : ""}`}>
        ${(given) => html`<input ...${given} inputmode="numeric" autocomplete="off" data-first value=${amount} onInput=${(event) => setAmount(event.target.value.trim())} />`}<//>
      <${Field} label="Reason" error=${tried && wrong.reason}>
        ${(given) => html`<input ...${given} dir="auto" maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <div class="chips" role="group" aria-label="Common reasons">${how.reasons.map((text) => html`
        <button type="button" class="chip" key=${text} onClick=${() => setReason(text)}>${text}</button>`)}</div>
      ${unread && html`<div class="trouble compact" role="alert"><p class="title">The balance could not be read. ${unread.message}</p><p>Nothing was sent.</p></div>`}
      <${Buttons} back="Cancel" onBack=${onClose} act="Review" doing="Reading the balance…" busy=${checking} />
    </form><//>`;
}

function UndoDialog({ userId, entry, onClose, onDone }) {
  const [reason, setReason] = useState(`Undo of entry ${entry.seq}`);
  const now = useLoad((signal) => read(userId, signal), [userId]);
  const act = `undo:${userId}:${entry.seq}`;
  const write = useWrite(act);
  useOutcome(act, (done) => done && onDone({}));
  const after = now.found && now.found.balance - entry.amount;
  const confirm = async (event) => {
    event.preventDefault();
    if (write.busy) return;
    const path = `/admin/users/${encodeURIComponent(userId)}/transactions/${entry.seq}/undo`;
    const about = { kind: "entry", user: userId, reverses: entry.seq, once: true, text: `Undo entry ${entry.seq} · ${userId}` };
    const made = await write.send(path, { reason: reason.trim() || `Undo of entry ${entry.seq}` }, about);
    if (!made) return;
    say(`Entry ${entry.seq} is undone. The balance of ${userId} ${made.replayed ? "was" : "is"} ${number(made.newBalance)}.`);
    onDone({});
  };
  const title = `Undo entry ${entry.seq}?`;
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm}>
      <p>Entries are never changed or removed. The undo is a new entry that reverses entry ${entry.seq} and names it.</p>
      ${now.found ? html`<${Preview} userId=${userId} balance=${now.found.balance} size=${(entry.owedChange || 0) - entry.amount} owed=${-(entry.owedChange || 0)} />` : html`<${BalanceNow} page=${now} userId=${userId} />`}
      ${after < 0 && html`<p class="error">Part of these credits is spent: the balance cannot go below 0, so the undo will be refused.</p>`}
      <${Field} label="Reason">${(given) => html`<input ...${given} dir="auto" data-first maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Cancel" onBack=${onClose} busy=${write.busy} doing="Sending…" act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Undo"} />
    </form><//>`;
}

function Preview({ userId, balance, size, owed = 0, reason }) {
  return html`<dl class="preview"><div><dt>User</dt><dd class="id">${userId}</dd></div>
    <div><dt>Balance</dt><dd class="num">${number(balance)}</dd></div>
    <div><dt>Change</dt><dd class=${`num ${size > 0 ? "up" : "down"}`}>${change(size)}</dd></div>
    ${owed !== 0 && html`<div><dt>Owed</dt><dd class="num">${change(owed)}</dd></div>`}
    <div class="total"><dt>New balance</dt><dd class="num">${number(balance + size + owed)}</dd></div>
    ${reason && html`<div><dt>Reason</dt><dd><bdi>${reason}</bdi></dd></div>`}</dl>`;
}
return { AdjustDialog: AdjustDialog, UndoDialog: UndoDialog };
})();
const $erase = (() => {
const { html, useState } = $html;
const { Buttons, Dialog } = $dialog;
const { number, Time } = $format;
const { Field, say } = $ui;
const { Refused, Unknown, useOutcome, useWrite } = $writes;

const MOST_CALLS = 100;

async function eraseAll(write, user, reason) {
  const sum = { origins: 0, auditRecords: 0, jobs: 0, others: [], complete: false };
  const path = `/admin/users/${encodeURIComponent(user.userId)}/erase`;
  const about = { kind: "erased", user: user.userId, before: user.erasedAt, once: true, text: `Erase personal data · ${user.userId}`, then: "Erase again to be sure that nothing is left." };
  for (let calls = 0; calls < MOST_CALLS && !sum.complete; calls += 1) {
    const made = await write.send(path, { reason, confirm: user.userId }, about);
    if (!made) return null;
    sum.origins += made.origins;
    sum.auditRecords += made.auditRecords;
    sum.jobs += made.jobs;
    sum.complete = made.complete;
    sum.others.push(...["device", "profile", "subscription"].filter((kind) => made[kind]));
  }
  return sum;
}

function PersonalData({ user, mayErase, onErase }) {
  if (!mayErase && !user.erasedAt) return null;
  return html`<section aria-labelledby="person"><h2 id="person">Personal data</h2>
    ${user.erasedAt ? html`<p>Erased <${Time} at=${user.erasedAt} style="full" />. Entries made since then may have an address and a browser.</p>`
      : html`<p class="quiet">Addresses, browsers and apps, the device's sign-in, the profile, texts of jobs.</p>`}
    ${mayErase && html`<p><button class="danger small" onClick=${onErase}>Erase personal data</button></p>`}</section>`;
}

function EraseDialog({ user, onClose, onDone }) {
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const act = `erase:${user.userId}`;
  const write = useWrite(act);
  useOutcome(act, (done) => done && onDone({}));
  const wrong = {
    typed: typed.trim() === user.userId ? "" : "Type the user id exactly as shown above.",
    reason: reason.trim() ? "" : "A reason is required. The audit keeps it.",
  };
  const confirm = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong.typed || wrong.reason || write.busy) return;
    const sum = await eraseAll(write, user, reason.trim());
    if (!sum) return;
    const counts = [`origins ${number(sum.origins)}`, `audit records ${number(sum.auditRecords)}`, `job records ${number(sum.jobs)}`];
    const more = sum.complete ? "" : " Some data is left: erase again.";
    say(`Erased: ${[...counts, ...sum.others].join(", ")}.${more}`);
    onDone({});
  };
  const title = "Erase personal data?";
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  const rest = user.balance + (user.heldCredits ?? 0);
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm} novalidate>
      <p>This cannot be undone. It erases the addresses, browsers and apps of <span class="id">${user.userId}</span>, the device's sign-in, the profile, and the subscription's e-mail address and name. Every entry, amount and reason stays.</p>
      ${rest > 0 && html`<p class="quiet">The account still has ${number(rest)} ${rest === 1 ? "credit" : "credits"}; erasing does not change them.</p>`}
      <${Field} label="User id, once more" error=${tried && wrong.typed}>
        ${(given) => html`<input ...${given} data-first autocomplete="off" autocapitalize="off" spellcheck="false" value=${typed} onInput=${(event) => setTyped(event.target.value)} />`}<//>
      <${Field} label="Reason" hint="Do not name a person here." error=${tried && wrong.reason}>
        ${(given) => html`<input ...${given} dir="auto" maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Cancel" onBack=${onClose} busy=${write.busy} doing="Erasing…" danger=${true} act=${write.failure?.definite ? "" : write.failure ? "Try again" : "Erase for good"} />
    </form><//>`;
}
return { PersonalData: PersonalData, EraseDialog: EraseDialog };
})();
const $holds = (() => {
const { html, useState } = $html;
const { Buttons, Dialog } = $dialog;
const { Ago, clock, credits, number, Time } = $format;
const { href } = $router;
const { Badge, Field, say } = $ui;
const { sold, who } = $words;
const { Refused, Unknown, useOutcome, useWrite } = $writes;

const OUTCOMES = {
  open: ["open", "warn"], captured: ["captured", "good"], released: ["released", ""], expired: ["expired", ""],
  spent: ["spent", ""], written_off: ["written off", "warn"],
};

const isOfBackend = (hold) => Boolean(hold.caller);
const nameOf = (hold) => (isOfBackend(hold) ? hold.holdId : "the token");
const what = (hold) => (hold.product && (hold.product.code !== "transcript" || isOfBackend(hold)) ? ` for ${sold({ product: hold.product.code, units: hold.units })}` : "");

function parts(hold) {
  if (hold.state === "open") {
    const charged = hold.committed ? `, ${number(hold.committed)} charged` : "";
    return hold.reserved !== hold.amount || charged ? `${number(hold.reserved)} still held${charged}` : "";
  }
  return hold.committed && hold.released ? `${number(hold.committed)} charged, ${number(hold.released)} back` : "";
}

function job(hold) {
  if (isOfBackend(hold)) return html`Hold <code>${hold.holdId}</code> of ${who(hold.caller)}`;
  if (hold.jobId) return html`Job <code>${hold.jobId}</code>`;
  if (hold.used) return "Used; no job was started";
  return ["open", "released"].includes(hold.state) ? "Token not used" : "No job is named";
}

function Holds({ user, holds, none, mayEnd = false, onEnd }) {
  if (!holds.length) return html`<p class="quiet">${none}</p>`;
  const entry = (seq) => html`<a href=${href("users", user, { entry: seq })}>entry\u00a0${seq}</a>`;
  return html`<ul class="holds">${holds.map((hold) => {
    const [label, mood] = OUTCOMES[hold.state] || [hold.state, ""];
    const isOpen = hold.state === "open";
    return html`<li key=${hold.jti}><div class="hold"><p><b>${credits(hold.amount)}</b>${what(hold)} <${Badge} tone=${mood}>${label}<//>${parts(hold) && html` <span class="quiet">${parts(hold)}</span>`}</p>
        ${isOpen && mayEnd && !hold.used && html`<button class="small" aria-label=${`End ${nameOf(hold)}, entry ${hold.seq}`} onClick=${() => onEnd(hold)}>End</button>`}</div>
      <p class="quiet small">${job(hold)} · ${entry(hold.seq)}${hold.resolvedSeq ? html`, ended by ${entry(hold.resolvedSeq)}` : ""} · <${Ago} at=${hold.heldSince} />${isOpen && hold.expiresAt && html`, ends <${Time} at=${hold.expiresAt} />`}</p></li>`;
  })}</ul>`;
}

function EndDialog({ user, hold, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const act = `end:${hold.jti}`;
  const write = useWrite(act);
  useOutcome(act, (done) => (done ? onDone({}) : write.forget()));
  const wrong = reason.trim() ? "" : "A reason is required. The ledger keeps it permanently.";
  const confirm = async (event) => {
    event.preventDefault();
    setTried(true);
    if (wrong || write.busy) return;
    const body = { userId: user, hold: hold.jti, reason: reason.trim() };
    const about = { kind: "hold", user, jti: hold.jti, once: true, text: `End the hold of entry ${hold.seq} · ${user}` };
    const made = await write.send("/admin/holds/end", body, about);
    if (!made) return;
    say(made.replayed ? `The hold of entry ${hold.seq} had ended before. Nothing was changed.` : `The hold of entry ${hold.seq} is ended: ${credits(made.hold.released)} back.`);
    onDone({});
  };
  const title = "End this hold?";
  if (write.pending) {
    return html`<${Dialog} title=${title} step="unknown" onClose=${onClose}>
      <${Unknown} write=${write.pending} /><${Buttons} back="Close" onBack=${onClose} /><//>`;
  }
  return html`<${Dialog} title=${title} step="form" onClose=${onClose} busy=${write.busy}>
    <form class="stack" onSubmit=${confirm} novalidate>
      <p>${credits(hold.reserved)} ${hold.reserved === 1 ? "goes" : "go"} back to <span class="id">${user}</span>.${hold.committed ? ` The ${number(hold.committed)} that ${hold.committed === 1 ? "was" : "were"} charged stay charged.` : ""} ${isOfBackend(hold)
        ? html`<b>${who(hold.caller)}</b> can then commit nothing more under <code>${hold.holdId}</code>.` : "The token can then start no job."} This cannot be undone.</p>
      <p class="quiet">Left alone, it ends at ${clock(hold.expiresAt)}.</p>
      <${Field} label="Reason" error=${tried && wrong}>
        ${(given) => html`<input ...${given} dir="auto" data-first maxlength="200" autocomplete="off" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}<//>
      <${Refused} failure=${write.failure} />
      <${Buttons} back="Keep it" onBack=${onClose} busy=${write.busy} doing="Ending…" danger=${true} act=${write.failure?.definite ? "" : write.failure ? "Try again" : "End the hold"} />
    </form><//>`;
}
return { Holds: Holds, EndDialog: EndDialog };
})();
const $story = (() => {
const { html, useEffect, useState } = $html;
const { get } = $api;
const { change, number, Time } = $format;
const { href } = $router;
const { Badge, Empty, Quoted, ReadState } = $ui;
const { useLoad } = $loading;
const { happened, outcome, tone, who, why } = $words;

const PAGE = 50;
const AROUND = 10;

const page = (user, top, signal) => get("/admin/transactions", { user, cursor: top + 1, limit: PAGE }, { signal }).then((found) => found.transactions);

function Story({ user, newest, query, mayUndo, onUndo }) {
  const wanted = /^[1-9][0-9]{0,11}$/.test(query.entry || "") ? Number(query.entry) : 0;
  const last = newest[0]?.seq || 0;
  const isNear = !wanted || wanted > last - newest.length;
  const top = isNear ? last : Math.min(last, wanted + AROUND);
  const old = useLoad((signal) => (isNear ? Promise.resolve(null) : page(user, top, signal)), [user, isNear ? 0 : top]);
  const [more, setMore] = useState({});
  const [failure, setFailure] = useState(null);
  const first = isNear ? newest : old.found || [];
  const extended = more.top === top ? more : { top, above: [], below: [] };
  const entries = [...extended.above, ...first, ...extended.below];
  const [length, setLength] = useState(PAGE);
  const enough = isNear && wanted ? last - wanted + AROUND : 0;
  const shown = isNear && !extended.below.length ? entries.slice(0, Math.max(length, enough)) : entries;
  const isThere = shown.some((entry) => entry.seq === wanted);
  useEffect(() => {
    const line = isThere && document.getElementById(`entry-${wanted}`);
    if (!line) return;
    line.scrollIntoView({ block: "center" });
    line.focus({ preventScroll: true });
  }, [query, isThere]);
  if (!isNear && !old.found) return html`<${ReadState} page=${old} />${old.loading && html`<p class="quiet">Loading entry ${wanted}…</p>`}`;
  if (!shown.length) return html`<${Empty} title=${last ? `There is no entry ${wanted}` : "There is no entry yet"} />`;
  const highest = shown[0].seq;
  const lowest = shown.at(-1).seq;
  const fetchMore = async (from, place) => {
    setFailure(null);
    try {
      const found = await page(user, from);
      const kept = found.filter((entry) => entry.seq > highest || entry.seq < lowest);
      setMore({ ...extended, [place]: place === "above" ? [...kept, ...extended.above] : [...extended.below, ...kept] });
    } catch (error) {
      if (!error.loggedOut) setFailure(error);
    }
  };
  const older = () => (shown.length < entries.length ? setLength(shown.length + PAGE) : fetchMore(lowest - 1, "below"));
  const later = new Map([...newest, ...entries].filter((entry) => entry.reverses).map((entry) => [entry.reverses, entry]));
  return html`${wanted > last && html`<p class="quiet">There is no entry ${wanted}; the newest is entry ${last}.</p>`}
    ${highest < last && html`<p class="buttons"><button onClick=${() => fetchMore(Math.min(last, highest + PAGE), "above")}>Show newer</button>
      <a href=${href("users", user)}>Go to the newest entry</a></p>`}
    <ol class="story" reversed>${shown.map((entry) => html`
      <${Line} key=${entry.seq} entry=${entry} isWanted=${entry.seq === wanted} later=${later.get(entry.seq)} mayUndo=${mayUndo} onUndo=${onUndo} />`)}</ol>
    ${failure && html`<p class="error" role="alert">${failure.message}</p>`}
    ${lowest > 1 && html`<p class="buttons"><button onClick=${older}>Show older</button></p>`}`;
}

function Line({ entry, isWanted, later, mayUndo, onUndo }) {
  const canUndo = mayUndo && entry.undoable && !later;
  const end = outcome(later);
  const to = (seq) => href("users", entry.userId, { entry: seq });
  return html`<li class=${isWanted ? "line focus" : "line"} id=${`entry-${entry.seq}`} tabindex="-1" aria-current=${isWanted ? "true" : undefined}>
    <div class="what"><p>${happened(entry)}${end && html` <a class="plain" href=${to(later.seq)} title=${`entry ${later.seq}`}><${Badge} tone=${end[1]}>${end[0]}<//></a>`}</p>
      ${why(entry) && html`<${Quoted}>${why(entry)}<//>`}
      <details class="more" open=${isWanted}><summary><${Time} at=${entry.timestamp} style="full" /> · ${who(entry.actor)}${entry.address && ` · from ${entry.address}`} · entry\u00a0${entry.seq}</summary><dl>
        <${Fact} name="Request" value=${entry.requestId} /><${Fact} name="About" value=${entry.subject} />
        <${Fact} name="Actor" value=${entry.actor} /><${Fact} name="Browser or app" value=${entry.userAgent} />
        <${Fact} name="Product" value=${entry.product} /><${Fact} name="Units" value=${entry.units && number(entry.units)} />
        <${Fact} name="Held" value=${entry.heldChange ? change(entry.heldChange) : ""} /><${Fact} name="Owed" value=${entry.owedChange ? change(entry.owedChange) : ""} />
        <${Fact} name="Reverses" value=${entry.reverses && html`<a href=${to(entry.reverses)}>entry ${entry.reverses}</a>`} />
        <${Fact} name="Type" value=${entry.type} /></dl></details>
    </div>
    <div class="amounts"><b class=${`num ${tone(entry)}`}>${change(entry.amount)}</b>
      <span class="num quiet small">balance ${number(entry.balanceAfter)}${entry.heldAfter ? html`<br />held ${number(entry.heldAfter)}` : ""}${entry.owedAfter ? html`<br />owed ${number(entry.owedAfter)}` : ""}</span>
      ${canUndo && html`<button class="small" aria-label=${`Undo entry ${entry.seq}`} onClick=${() => onUndo(entry)}>Undo</button>`}</div>
  </li>`;
}

const Fact = ({ name, value }) => (value ? html`<div><dt>${name}</dt><dd><bdi>${value}</bdi></dd></div>` : null);
return { Story: Story };
})();
const $user = (() => {
const { html, useState } = $html;
const { AdjustDialog, UndoDialog } = $adjust;
const { get } = $api;
const { Chart } = $chart;
const { EraseDialog, PersonalData } = $erase;
const { clock, number, Time } = $format;
const { EndDialog, Holds } = $holds;
const { useLoad } = $loading;
const { href } = $router;
const { Story } = $story;
const { Badge, Copy, Empty, Figures, Head, ReadState, Skeleton } = $ui;
const { useUnknown } = $writes;

const CHART_ENTRIES = 200;
const HOLDS_SHOWN = 50;

function load(userId, signal) {
  return Promise.all([
    get(`/admin/users/${encodeURIComponent(userId)}`, {}, { signal }),
    get("/admin/transactions", { user: userId, limit: CHART_ENTRIES }, { signal }),
    get("/admin/holds", { user: userId, state: "any" }, { signal }),
  ]).then(([user, page, { holds }]) => ({ user, entries: page.transactions, ended: holds.filter((hold) => hold.state !== "open").slice(0, HOLDS_SHOWN) }));
}

function User({ id, query, session }) {
  const page = useLoad((signal) => load(id, signal), [id]);
  const [dialog, setDialog] = useState(null);
  const mayChange = session.scopes.includes("credits:write");
  const mayEnd = session.scopes.includes("holds:write");
  const mayErase = session.scopes.includes("admin");
  if (!page.found) {
    const isUnknown = page.failure?.status === 404 || page.failure?.code === "invalid_request";
    return html`<${Head} title=${id} />${!page.failure ? html`<${Skeleton} rows=${12} label="Loading the user" />`
      : isUnknown ? html`<${UnknownUser} id=${id} />` : html`<${ReadState} page=${page} />`}`;
  }
  const { user, entries, ended } = page.found;
  const close = () => setDialog(null);
  const done = ({ undo }) => {
    setDialog(undo ? { kind: "undo", entry: undo } : null);
    page.reload();
  };
  return html`<p class="crumbs"><a href=${href("users")}>Users</a></p>
    <${Head} title=${user.userId} page=${page} sub=${html`<${Copy} text=${user.userId} label="Copy the user id" /> ${user.totals && html`since <${Time} at=${user.totals.createdAt} style="day" />`}`}>
      ${mayChange && html`<button class="primary" onClick=${() => setDialog({ kind: "add" })}>Add credits</button>
        <button onClick=${() => setDialog({ kind: "deduct" })}>Deduct credits</button>`}
    <//>
    <${ReadState} page=${page} />
    <${Verdict} page=${page} />
    <${Sums} user=${user} />
    <div class="columns">
      <section aria-labelledby="story"><h2 id="story">Story</h2>
        <${Story} user=${user.userId} newest=${entries} query=${query} mayUndo=${mayChange} onUndo=${(entry) => setDialog({ kind: "undo", entry })} />
      </section>
      <aside>
        <section aria-labelledby="open"><h2 id="open">Open holds</h2><${Holds} user=${user.userId} holds=${user.openHolds} none="No credit is held." mayEnd=${mayEnd} onEnd=${(hold) => setDialog({ kind: "end", hold })} /></section>
        <section><${Course} entries=${entries} /></section>
        <section aria-labelledby="jobs"><h2 id="jobs">Tokens, jobs and holds</h2><${Holds} user=${user.userId} holds=${ended} none="No hold has ended yet." /></section>
        <${PersonalData} user=${user} mayErase=${mayErase} onErase=${() => setDialog({ kind: "erase" })} />
      </aside>
    </div>
    ${dialog?.kind === "undo" && html`<${UndoDialog} key=${`undo${dialog.entry.seq}`} userId=${id} entry=${dialog.entry} onClose=${close} onDone=${done} />`}
    ${dialog?.kind === "end" && html`<${EndDialog} key=${`end${dialog.hold.jti}`} user=${id} hold=${dialog.hold} onClose=${close} onDone=${done} />`}
    ${dialog?.kind === "erase" && html`<${EraseDialog} user=${user} onClose=${close} onDone=${done} />`}
    ${["add", "deduct"].includes(dialog?.kind) && html`<${AdjustDialog} key=${dialog.kind} kind=${dialog.kind} userId=${id} session=${session} onClose=${close} onDone=${done} />`}`;
}

function UnknownUser({ id }) {
  return html`<${Empty} title="There is no such user">No user has exactly this id. <a href=${href("users", "", { q: id.slice(0, 4) })}>Search for ids with the same beginning</a>.<//>`;
}

function Verdict({ page }) {
  const { user } = page.found;
  const check = user.verification;
  const unknown = useUnknown().some((write) => write.about.user === user.userId);
  if (!check.ok) {
    return html`<div class="verdict bad" role="alert"><p><${Badge} tone="bad">Does not add up<//> The ledger's check found ${number(check.findings.length)} ${check.findings.length === 1 ? "fault" : "faults"}. Do not adjust this balance before the fault is understood.</p>
      <ul>${check.findings.map((finding, n) => html`<li key=${n}>${finding.seq ? `Entry ${finding.seq}: ` : ""}${finding.text}</li>`)}</ul></div>`;
  }
  if (page.failure || unknown) {
    return html`<p class="verdict"><${Badge} tone="warn">Out of date<//> At ${clock(page.at)} the ledger added up. ${unknown ? "The outcome of a change sent since is not known yet." : "It could not be read since."}</p>`;
  }
  return html`<p class="verdict good"><${Badge} tone="good">Adds up<//> Checked at ${clock(page.at)}: ${number(check.entries)} ${check.entries === 1 ? "entry explains" : "entries explain"} this balance.</p>`;
}

function Sums({ user }) {
  const totals = user.totals || {};
  return html`<${Figures} cls="small" figures=${[
    ["Available", number(user.balance), { cls: "big" }], ["Held", number(user.heldCredits ?? user.reservedUnits), { note: holdsNote(user.openHolds) }],
    ["Owed", number(user.owed ?? 0), { cls: user.owed ? "warn" : "", note: user.owed ? "the next grant pays it" : "" }],
    ["Added", number(totals.added)], ["Deducted", number(totals.deducted)], ["Spent", number(totals.spent)], ["Returned", number(totals.refunded)],
  ]} />`;
}

const holdsNote = ({ length }) => (length ? `in ${number(length)} open ${length === 1 ? "hold" : "holds"}` : "");

function Course({ entries }) {
  if (entries.length < 2) return null;
  const oldest = [...entries].reverse();
  const byTime = new Map(oldest.map((entry) => [Date.parse(entry.timestamp) / 1000, entry.balanceAfter]));
  byTime.set(Math.floor(Date.now() / 1000), oldest.at(-1).balanceAfter);
  const values = [...byTime.values()];
  return html`<${Chart} title="Balance" unit="in credits" step="moment" times=${[...byTime.keys()]} series=${[{ label: "available", color: "--accent", values, now: values.at(-1), step: true }]} />`;
}
return { User: User };
})();
const $users = (() => {
const { html, useEffect, useRef, useState } = $html;
const { get } = $api;
const { number, Time, zone } = $format;
const { useLoad } = $loading;
const { go, href, setQuery } = $router;
const { Empty, Head, Pager, ReadState, Skeleton, Table } = $ui;

const SORTS = { id: "By id", newest: "Newest first", balance: "Highest balance first" };
const PAGE = 50;
const PAUSE_MS = 250;

const columns = () => [
  { label: "User", cls: "main", cell: (user) => html`<a class="id" href=${href("users", user.userId)}>${user.userId}</a>` },
  { label: "Available", cls: "num strong", cell: (user) => number(user.balance) },
  { label: "Held", cls: "num", cell: (user) => number(user.heldCredits) },
  { label: "Owed", cls: "num", cell: (user) => number(user.owed) },
  { label: "Added", cls: "num", cell: (user) => number(user.added) },
  { label: "Spent", cls: "num", cell: (user) => number(user.spent) },
  { label: "Returned", cls: "num", cell: (user) => number(user.refunded) },
  { label: "Entries", cls: "num", cell: (user) => number(user.transactions) },
  { label: `Last active (${zone()})`, cls: "when", cell: (user) => html`<${Time} at=${user.updatedAt} />` },
];

function Search({ prefix, only }) {
  const [text, set] = useState(prefix);
  const timer = useRef();
  const field = useRef();
  useEffect(() => { if (document.activeElement !== field.current) set(prefix); }, [prefix]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const look = (value) => setQuery({ q: value, sort: value ? "" : undefined }, { replace: true });
  const typed = (event) => {
    const value = event.target.value.trim();
    set(event.target.value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => look(value), PAUSE_MS);
  };
  const open = (event) => {
    event.preventDefault();
    clearTimeout(timer.current);
    if (only && text.trim() === prefix) go(href("users", only));
    else look(text.trim());
  };
  return html`<form class="search" role="search" onSubmit=${open}>
    <label class="sr" for="q">User id begins with</label>
    <input id="q" ref=${field} type="search" placeholder="User id begins with…" autocomplete="off" spellcheck=${false} maxlength="128" value=${text} onInput=${typed} />
  </form>`;
}

function Users({ query }) {
  const prefix = query.q || "";
  const sort = prefix ? "id" : SORTS[query.sort] ? query.sort : "id";
  const page = useLoad(
    (signal) => get("/admin/users", { prefix, sort, cursor: query.cursor, limit: PAGE }, { signal }),
    [prefix, sort, query.cursor],
  );
  const found = page.found?.users;
  const only = prefix && !page.loading && found?.length === 1 ? found[0].userId : "";
  const isNoId = page.failure?.code === "invalid_request" && prefix;
  return html`<${Head} title="Users" page=${page} />
    <div class="bar"><${Search} prefix=${prefix} only=${only} />
      <label class="inline">Order <select value=${sort} disabled=${!!prefix} onChange=${(event) => setQuery({ sort: event.target.value })}>
        ${Object.entries(SORTS).map(([value, label]) => html`<option value=${value} key=${value}>${label}</option>`)}</select></label>
    </div>
    ${isNoId ? html`<${Empty} title="This cannot be the beginning of a user id">Ids have letters, digits and . _ : @ + = - only, and begin with a letter or digit.<//>` : html`<${ReadState} page=${page} />`}
    ${!found && !page.failure && html`<${Skeleton} rows=${10} label="Loading users" />`}
    ${found && !isNoId && (found.length ? html`
      <${Table} caption="Users" columns=${columns()} rows=${found} rowKey=${(user) => user.userId} busy=${page.loading} />
      <${Pager} cursor=${query.cursor} next=${page.found.nextCursor} count=${found.length} noun=${found.length === 1 ? "user" : "users"} />` : html`<${Nobody} prefix=${prefix} />`)}`;
}

function Nobody({ prefix }) {
  if (!prefix) return html`<${Empty} title="There are no users yet">The first one appears when an app registers its device.<//>`;
  return html`<${Empty} title=${`No user id begins with “${prefix}”`}>Upper and lower case are different. A user created in the last second can be missing;
    <button class="link" onClick=${() => go(href("users", prefix))}>open exactly this id</button>.<//>`;
}
return { Users: Users };
})();
const $main = (() => {
const { html, render, useEffect, useRef, useState } = $html;
const { call, keepSession, onSession } = $api;
const { Audit } = $audit;
const { Keys } = $keys;
const { LoginAgain, LoginPage } = $login;
const { NotFound } = $notfound;
const { Overview } = $overview;
const { Product, Products } = $products;
const { takeClicks, usePlace } = $router;
const { applyTheme, Shell } = $shell;
const { Subscription, Subscriptions } = $subscriptions;
const { Transactions } = $transactions;
const { say, Toasts, Trouble } = $ui;
const { User } = $user;
const { Users } = $users;

const PAGES = {
  "": Overview, users: Users, transactions: Transactions, keys: Keys, products: Products, subscriptions: Subscriptions, audit: Audit,
};
const PAGES_OF = { users: User, products: Product, subscriptions: Subscription };
const tabs = new BroadcastChannel("pluct-session");

function Page({ session }) {
  const { page, id, query } = usePlace();
  const Found = (id ? PAGES_OF : PAGES)[page] || NotFound;
  return html`<${Found} id=${id} query=${query} session=${session} key=${`${page}/${id}/${session.turn}`} />`;
}

function App() {
  const [session, setSession] = useState();
  const [lost, setLost] = useState(null);
  const [left, setLeft] = useState(false);
  const [failure, setFailure] = useState();
  const enter = (found) => {
    keepSession(found);
    setSession((old) => ({ ...found, turn: old && old.name === found.name ? old.turn : Date.now() }));
    setLost(null);
    setLeft(false);
    dispatchEvent(new Event("sessionback"));
  };
  const ask = () => {
    setFailure(undefined);
    return call("GET", "/dashboard/session").then(enter, (error) => (error.status === 401 ? setSession(null) : setFailure(error)));
  };
  const logIn = (found) => {
    enter(found);
    tabs.postMessage("in");
  };
  const leave = () => {
    setSession(null);
    setLost(null);
    setLeft(true);
    tabs.postMessage("out");
  };
  const current = useRef();
  current.current = session;
  useEffect(() => {
    onSession({
      lost: () => setLost((old) => old || "ended"),
      changed: (found) => {
        enter(found);
        say(`${found.name} logged in in another tab; this tab continues as ${found.name}. Nothing was changed.`, { tone: "bad" });
      },
    });
    tabs.onmessage = ({ data }) => {
      if (data === "out" && current.current) setLost("elsewhere");
      if (data === "in") call("GET", "/dashboard/session").then(enter, () => {});
    };
    ask();
  }, []);
  if (failure) return html`<main class="login"><${Trouble} failure=${failure} retry=${ask} /></main>`;
  if (session === undefined) return html`<main class="login" aria-busy="true"></main>`;
  if (session === null) return html`<${LoginPage} onIn=${logIn} left=${left} /><${Toasts} />`;
  return html`<${Shell} session=${session} onOut=${leave}><${Page} session=${session} /><//>
    ${lost && html`<${LoginAgain} name=${session.name} elsewhere=${lost === "elsewhere"} onIn=${logIn} />`}
    <${Toasts} />`;
}

applyTheme();
takeClicks();
render(html`<${App} />`, document.getElementById("app"));
return {  };
})();
